"""Faults: what a killed writer or a loss of power leaves, and what a store makes of it.

Each sweep takes a scenario (`scenarios`), lets something go wrong at every
system call it makes on its location, and has a fresh process open, read and use
what is left (`observing`). What was found is then held against what had been
acknowledged (`judging`)::

    kill      the writer dies before call i
    tear      a write is cut short; the writer goes on, or dies
    refuse    call i fails with ENOSPC, EIO, EDQUOT, EMFILE or EINTR, once or until healed
    forget    power is lost after call i: every disk that may be left is built (`disks`)
    damage    bytes of a file that lies still are cut, flipped, blanked or doubled
    lines     where system calls cannot be seen: the writer dies at line i of its code

The first four stand on `lab.tracer`; `recording` keeps the operations with
their data, from which `disks` builds without any tracer.
"""
