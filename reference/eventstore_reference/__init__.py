"""The reference implementation of every port."""
