"""The options of `sketch2img generate`, by the panels of its help."""

from pathlib import Path
from typing import Annotated

import typer

from sketchcli.cli import completing, options

FILES, DRAWING, PHOTOS = "Which sketches", "How they are drawn", "The photos"
MACHINE, OUTPUT = "Machine", "Output"

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IN... OUT",
        help="Sketches (files, folders, globs, - for standard input), then the photo, or the "
        "folder for photos, or - for standard output.",
    ),
]

# -- which sketches
Out = Annotated[
    str | None,
    typer.Option("--out", "-o", help="OUT, where all arguments are IN.", rich_help_panel=FILES),
]
ListFile = Annotated[
    str | None,
    typer.Option(
        "--list",
        metavar="FILE",
        help="Paths of sketches, one a line, or with zero bytes between them; - is standard input.",
        rich_help_panel=FILES,
    ),
]
Watch = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Convert what is in a folder and what appears in it, until Ctrl-C.",
        rich_help_panel=FILES,
    ),
]
Recursive = Annotated[
    bool,
    typer.Option(
        "--recursive/--no-recursive", help="Folders with all below.", rich_help_panel=FILES
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Of folders only these: a pattern for the name, or with / for the path. Repeatable.",
        rich_help_panel=FILES,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Not these. Repeatable.", rich_help_panel=FILES),
]
Root = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where the tree begins that OUT mirrors.  "
        "\\[default: the nearest folder that holds all IN]",
        rich_help_panel=FILES,
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Only the share I of N.  \\[default: all, or a torchrun rank's share]",
        rich_help_panel=FILES,
    ),
]

# -- how they are drawn
Models = Annotated[
    list[Path] | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Weights, a run's folder or its name, or bundled; of several the mean is drawn.  "
        "\\[default: the newest finished run, else bundled]",
        autocompletion=completing.models,
        rich_help_panel=DRAWING,
    ),
]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw", help="The weights as trained, not their average.", rich_help_panel=DRAWING
    ),
]
Invert = Annotated[
    str,
    typer.Option(
        metavar="auto|yes|no",
        help="Invert: where a sketch is white on black.",
        rich_help_panel=DRAWING,
    ),
]
Paper = Annotated[
    str,
    typer.Option(
        metavar="auto|yes|no",
        help="Even out shadows and tint of the paper: where the training sketches had none.",
        rich_help_panel=DRAWING,
    ),
]
Align = Annotated[
    str,
    typer.Option(
        metavar="none|face",
        help="Cut faces out as `preprocess --align face` does.",
        rich_help_panel=DRAWING,
    ),
]
Paste = Annotated[
    bool,
    typer.Option(
        "--paste", help="Put an aligned face back into its sketch.", rich_help_panel=DRAWING
    ),
]
Tile = Annotated[
    bool,
    typer.Option(
        "--tile",
        help="Draw at the sketch's own size, in overlapping tiles of the model's.",
        rich_help_panel=DRAWING,
    ),
]
Tta = Annotated[
    str,
    typer.Option(
        metavar="none|flip",
        help="flip: the mean of a sketch's photo and its mirror image's.",
        rich_help_panel=DRAWING,
    ),
]
Variations = Annotated[
    int,
    typer.Option(
        min=1,
        max=1000,
        metavar="N",
        help="Photos a sketch, of a model with noise.",
        rich_help_panel=DRAWING,
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="Of the variations.", rich_help_panel=DRAWING)
]

# -- the photos
Size = Annotated[
    str | None,
    typer.Option(
        metavar="model|input|N|WxH",
        help="As large as the model draws, as the sketch is, or as fits into W by H.  "
        "\\[default: model; input with --tile]",
        rich_help_panel=PHOTOS,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="png|jpg|webp",
        help="Of photos in a folder.  \\[default: png]",
        rich_help_panel=PHOTOS,
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(min=1, max=100, metavar="N", help="Of JPEG and WebP.", rich_help_panel=PHOTOS),
]
Suffix = Annotated[
    str, typer.Option(help="Put this behind each name: _photo.", rich_help_panel=PHOTOS)
]
SkipExisting = Annotated[
    bool,
    typer.Option("--skip-existing", help="Keep photos that are there.", rich_help_panel=PHOTOS),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there.", rich_help_panel=PHOTOS)
]
Compare = Annotated[
    bool,
    typer.Option("--compare", help="Write sketch and photo side by side.", rich_help_panel=PHOTOS),
]
Grid = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="One contact sheet of all as well.", rich_help_panel=PHOTOS),
]

# -- machine and output
Device = Annotated[
    str,
    typer.Option(help=options.DEVICE_HELP, autocompletion=options.DEVICES, rich_help_panel=MACHINE),
]
Precision = Annotated[
    str,
    typer.Option(
        metavar="auto|fp32|bf16",
        help="auto: of 64 photos or more the quicker one, else fp32.",
        rich_help_panel=MACHINE,
    ),
]
Show = Annotated[
    bool,
    typer.Option("--show", help="Preview photos in the terminal.", rich_help_panel=OUTPUT),
]
Manifest = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write what became of each file, as CSV.", rich_help_panel=OUTPUT
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help=options.JSON_HELP, rich_help_panel=OUTPUT),
]
JsonLines = Annotated[
    bool,
    typer.Option(
        "--jsonl", help="Print a line of JSON for each file as it is done.", rich_help_panel=OUTPUT
    ),
]
