"""The options of `sketch2img generate`, by the panels of its help."""

from pathlib import Path
from typing import Annotated

import typer

from sketchcli.cli import completing, options

FILES, DRAWING, PHOTOS = "Input files", "How photos are generated", "Output photos"
MACHINE, OUTPUT = "Machine", "Output"

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IN... OUT",
        help="Sketches (files, folders, globs, or - for standard input), then the output: a photo, "
        "a folder for photos, or - for standard output.",
    ),
]

# -- input files
Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        help="Output file or folder; every positional argument is then an input.",
        rich_help_panel=FILES,
    ),
]
ListFile = Annotated[
    str | None,
    typer.Option(
        "--list",
        metavar="FILE",
        help="File of sketch paths, one per line or separated by zero bytes; - for standard input.",
        rich_help_panel=FILES,
    ),
]
Watch = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Convert the sketches in a folder, and every new one, until Ctrl-C.",
        rich_help_panel=FILES,
    ),
]
Recursive = Annotated[
    bool,
    typer.Option(
        "--recursive/--no-recursive", help="Search subfolders, too.", rich_help_panel=FILES
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Filter the files found in folders: keep those that match GLOB (against the relative "
        "path if it contains /). Repeatable.",
        rich_help_panel=FILES,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB", help="Skip files that match GLOB. Repeatable.", rich_help_panel=FILES
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Base of the folder tree that is mirrored in OUT.  "
        "\\[default: the nearest folder that contains every input]",
        rich_help_panel=FILES,
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Generate only shard I of N.  \\[default: all, or the shard of a torchrun rank]",
        rich_help_panel=FILES,
    ),
]

# -- how photos are generated
Models = Annotated[
    list[Path] | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Model to use: a weights file, a run (name or folder) or bundled. Repeat to average "
        "several models.  \\[default: the newest finished run, else bundled]",
        autocompletion=completing.models,
        rich_help_panel=DRAWING,
    ),
]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw", help="Use the raw, not the averaged (EMA) weights.", rich_help_panel=DRAWING
    ),
]
Invert = Annotated[
    str,
    typer.Option(
        metavar="auto|yes|no",
        help="Invert the sketch; auto: only if its polarity differs from the training sketches.",
        rich_help_panel=DRAWING,
    ),
]
Paper = Annotated[
    str,
    typer.Option(
        metavar="auto|yes|no",
        help="Even out shadows and tint of the paper; auto: if unlike the training sketches'.",
        rich_help_panel=DRAWING,
    ),
]
Align = Annotated[
    str,
    typer.Option(
        metavar="none|face",
        help="Align and crop faces as `preprocess --align face` does.",
        rich_help_panel=DRAWING,
    ),
]
Paste = Annotated[
    bool,
    typer.Option(
        "--paste", help="Paste an aligned face back into its sketch.", rich_help_panel=DRAWING
    ),
]
Tile = Annotated[
    bool,
    typer.Option(
        "--tile",
        help="Generate at the sketch's own size, in overlapping tiles. Implies --size input.",
        rich_help_panel=DRAWING,
    ),
]
Tta = Annotated[
    str,
    typer.Option(
        metavar="none|flip",
        help="Test-time augmentation; flip averages the photos of the sketch and its mirror image.",
        rich_help_panel=DRAWING,
    ),
]
Variations = Annotated[
    int,
    typer.Option(
        min=1,
        max=1000,
        metavar="N",
        help="Number of photos per sketch; needs a model with dropout.",
        rich_help_panel=DRAWING,
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="Seed of the variations.", rich_help_panel=DRAWING)
]

# -- output photos
Size = Annotated[
    str | None,
    typer.Option(
        metavar="model|input|N|WxH",
        help="Photo size: the model's, the sketch's, or the largest that fits into W by H.  "
        "\\[default: model; input with --tile]",
        rich_help_panel=PHOTOS,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="png|jpg|webp",
        help="Image format of photos in a folder.  \\[default: png]",
        rich_help_panel=PHOTOS,
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100,
        metavar="N",
        help="Compression quality for JPEG and WebP.",
        rich_help_panel=PHOTOS,
    ),
]
Suffix = Annotated[
    str, typer.Option(help="Text to append to each name, such as _photo.", rich_help_panel=PHOTOS)
]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing", help="Skip sketches whose photo exists.", rich_help_panel=PHOTOS
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Overwrite existing files.", rich_help_panel=PHOTOS)
]
Compare = Annotated[
    bool,
    typer.Option("--compare", help="Save sketch and photo side by side.", rich_help_panel=PHOTOS),
]
Grid = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Also save a contact sheet.", rich_help_panel=PHOTOS),
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
        help="Numeric precision; auto: the faster one for 64 or more photos, else fp32.",
        rich_help_panel=MACHINE,
    ),
]
Show = Annotated[
    bool,
    typer.Option("--show", help="Show a preview in the terminal.", rich_help_panel=OUTPUT),
]
Manifest = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write a CSV file with the result of each file.",
        rich_help_panel=OUTPUT,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help=options.JSON_HELP, rich_help_panel=OUTPUT),
]
JsonLines = Annotated[
    bool,
    typer.Option(
        "--jsonl", help="Print one line of JSON per finished file.", rich_help_panel=OUTPUT
    ),
]
