"""The public names and signatures: whoever changes one of these changes it for users."""

import inspect
from pathlib import Path

import sketchcli
from sketchcli import errors

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "python-api.md"
LOAD_GENERATOR = (
    "(*models: str | pathlib.Path, device: str = 'auto', precision: str = 'fp32', "
    "size: str | tuple[int, int] = 'model', tile: bool = False, invert: str = 'auto', "
    "paper: str = 'auto', align: str = 'none', **removed: object) "
    "-> sketchcli.engine.generating.api.PhotoGenerator"
)
ERRORS = {
    "CheckpointError",
    "DataError",
    "DeviceError",
    "DownloadError",
    "ExitCode",
    "InterruptedRunError",
    "LostProcessError",
    "SketchError",
    "TrainingError",
    "UsageError",
}


def test_the_public_names_stay():
    assert set(sketchcli.__all__) == {"__version__", "load_generator"}
    signature = str(inspect.signature(sketchcli.load_generator))
    assert signature.replace("pathlib._local", "pathlib") == LOAD_GENERATOR  # Python 3.13's name
    public = {
        n for n, k in vars(errors).items() if inspect.isclass(k) and k.__module__ == errors.__name__
    }
    assert public == ERRORS


def test_what_is_loaded_keeps_its_names():
    from sketchcli.engine.generating.api import PhotoGenerator

    fields = {name for name in PhotoGenerator.__dataclass_fields__ if not name.startswith("_")}
    assert fields == {"models", "size"}
    methods = {n for n, m in vars(PhotoGenerator).items() if inspect.isfunction(m)}
    assert {name for name in methods if not name.startswith("_")} == {"warnings"}
    assert list(inspect.signature(PhotoGenerator.__call__).parameters) == ["self", "sketch"]
    assert list(inspect.signature(PhotoGenerator.warnings).parameters) == ["self", "sketch"]


def test_an_error_says_what_to_do():
    error = errors.DataError("x: no picture", hint="give one")
    assert (error.message, error.hint, error.exit_code) == ("x: no picture", "give one", 3)
    assert str(error) == "x: no picture"


def test_the_page_names_all_of_it():
    text = PAGE.read_text(encoding="utf-8")
    for name in ("__version__", "load_generator", "PhotoGenerator", "warnings", "SketchError"):
        assert name in text
    for parameter in inspect.signature(sketchcli.load_generator).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            shown = repr(parameter.default).replace("'", '"')
            assert f"{parameter.name}={shown}" in text
