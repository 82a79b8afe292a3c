"""The table of every picture's values."""

import csv
import math

import numpy as np

from sketchcli.engine.reporting.evidence import write_csv


def lines(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_line_for_each_picture_and_predictor(tmp_path, evaluation):
    _, evidence, drawn = evaluation(4)
    write_csv(tmp_path / "figures.csv", evidence)
    found = lines(tmp_path / "figures.csv")
    assert [(line["id"], line["predictor"]) for line in found] == [
        (f"face-{row}", name) for name in ("modern", "mean photo") for row in range(4)
    ]
    assert list(found[0]) == ["id", "predictor", "mae", "ssim", "lpips-alex"]
    assert drawn.reads == []


def test_values_keep_all_their_digits(tmp_path, evaluation):
    _, evidence, _ = evaluation(3)
    write_csv(tmp_path / "figures.csv", evidence)
    found = [float(line["ssim"]) for line in lines(tmp_path / "figures.csv")[3:]]
    assert found == evidence.measured[1].values["ssim"].tolist()


def test_a_missing_value_is_an_empty_cell(tmp_path, evaluation):
    _, evidence, _ = evaluation(3)
    evidence.measured[0].values["mae"][1] = np.nan
    del evidence.measured[1].values["mae"]
    write_csv(tmp_path / "figures.csv", evidence)
    found = [line["mae"] for line in lines(tmp_path / "figures.csv")]
    assert [cell == "" for cell in found] == [False, True, False, True, True, True]
    assert math.isclose(float(found[0]), evidence.measured[0].values["mae"][0])


def test_strange_names_come_back_as_they_were(tmp_path, evaluation):
    ids = ['a "b", c', "line\nbreak", "é/ü"]
    _, evidence, _ = evaluation(3, ids=ids)
    write_csv(tmp_path / "figures.csv", evidence)
    assert [line["id"] for line in lines(tmp_path / "figures.csv")[:3]] == ids


def test_a_name_that_is_no_unicode_is_written_all_the_same(tmp_path, evaluation):
    _, evidence, _ = evaluation(1, ids=["caf\udce9"])
    write_csv(tmp_path / "figures.csv", evidence)
    assert lines(tmp_path / "figures.csv")[0]["id"] == "caf\\udce9"


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "=cmd|' /C calc'!A0"]


def test_no_name_becomes_a_formula_of_a_spreadsheet(tmp_path, evaluation):
    _, evidence, _ = evaluation(len(FORMULAS), ids=FORMULAS, kinds={"@mine": "model"})
    evidence.measured[0].values["mae"][0] = -1.5
    write_csv(tmp_path / "figures.csv", evidence)
    found = lines(tmp_path / "figures.csv")
    assert [line["id"] for line in found] == [f"'{name}" for name in FORMULAS]
    assert {line["predictor"] for line in found} == {"'@mine"}
    assert float(found[0]["mae"]) == -1.5  # a number stays one
