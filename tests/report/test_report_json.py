"""The JSON report: valid by its own schema, and read back without loss."""

from __future__ import annotations

import json

import jsonschema
import pytest

from pytest_eventstore.report import json_
from report.sample_run import all_met, make, two_targets

WITHOUT_TARGETS = json.loads(json_.render(make([])))


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("reports", ["two", "met", "none"])
def test_a_report_is_valid_by_the_schema(
    validator: jsonschema.Draft202012Validator, reports: str
) -> None:
    runs = {"two": two_targets(), "met": make(all_met()), "none": make([])}
    validator.validate(json.loads(json_.render(runs[reports])))


def test_the_schema_names_every_key_that_is_written() -> None:
    def check(value: object, schema: dict[str, object], path: str) -> None:
        if "$ref" in schema:
            schema = json_.schema()["$defs"][str(schema["$ref"]).rsplit("/", 1)[1]]
        if isinstance(value, dict) and "properties" in schema:
            properties = schema["properties"]
            assert isinstance(properties, dict)
            assert set(value) == set(properties) == set(schema["required"]), path  # type: ignore[call-overload]
            for key, inner in value.items():
                check(inner, properties[key], f"{path}.{key}")
        elif isinstance(value, list) and isinstance(items := schema.get("items"), dict):
            for inner in value:
                check(inner, items, f"{path}[]")
        elif isinstance(value, dict) and isinstance(choices := schema.get("oneOf"), list):
            check(value, choices[-1], path)

    check(json.loads(json_.render(two_targets())), json_.schema(), "report")


def test_the_schema_refuses_what_is_no_report(validator: jsonschema.Draft202012Validator) -> None:
    value = json.loads(json_.render(two_targets()))
    value["targets"][0]["requirements"][0]["result"] = "passed"
    with pytest.raises(jsonschema.ValidationError, match="'passed' is not one of"):
        validator.validate(value)


def test_a_report_reads_back_equal() -> None:
    run = two_targets()
    text = json_.render(run)
    assert json_.render(json_.parse(text)) == text
    assert json_.parse(text).targets[1].broken == run.targets[1].broken


def test_keys_from_the_future_are_passed_over() -> None:
    value = json.loads(json_.render(two_targets()))
    value["colour"] = value["environment"]["colour"] = value["targets"][0]["colour"] = "blue"
    assert json_.render(json_.parse(json.dumps(value))) == json_.render(two_targets())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", "not a report of pytest-eventstore"),
        ('{"format": 2, "targets": []}', "format 2; this version reads format 1"),
        ('{"format": 1, "targets": []}', "damaged report: KeyError"),
        (json.dumps(WITHOUT_TARGETS | {"targets": [3]}), "damaged report: TypeError"),
    ],
)
def test_what_is_no_report_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(json_.NotAReportError, match=message):
        json_.parse(text)
