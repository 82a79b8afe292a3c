"""`sketch2img generate`."""

import typer

from sketchcli.cli import generate_options as options


def generate(
    paths: options.Paths = None,
    out: options.Out = None,
    list_file: options.ListFile = None,
    watch: options.Watch = None,
    recursive: options.Recursive = True,
    include: options.Include = None,
    exclude: options.Exclude = None,
    root: options.Root = None,
    shard: options.Shard = None,
    model: options.Models = None,
    raw: options.Raw = False,
    invert: options.Invert = "auto",
    paper: options.Paper = "auto",
    align: options.Align = "none",
    paste: options.Paste = False,
    tile: options.Tile = False,
    tta: options.Tta = "none",
    variations: options.Variations = 1,
    seed: options.Seed = 0,
    size: options.Size = None,
    image_format: options.Format = None,
    quality: options.Quality = None,
    suffix: options.Suffix = "",
    skip_existing: options.SkipExisting = False,
    overwrite: options.Overwrite = False,
    compare: options.Compare = False,
    grid: options.Grid = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    show: options.Show = False,
    manifest: options.Manifest = None,
    as_json: options.Json = False,
    as_lines: options.JsonLines = False,
) -> None:
    """Turn sketches into photographs: files, folders, globs, standard input.

    A folder's tree is mirrored in OUT. What is there already is never replaced unasked.
    """
    from sketchcli.cli import generate_request as asked
    from sketchcli.cli.generate_run import Machine, carry_out
    from sketchcli.engine.generating import planning
    from sketchcli.engine.generating.request import Drawing, Naming, Request, Selection

    where = asked.places(paths or [], out, list_file, is_watching=watch is not None)
    asked.check_output(where.output, uses_stdout=as_json or as_lines, is_shown=show)
    asked.check_picture_name("--grid", grid)
    request = Request(
        sources=where.sources,
        output=where.output,
        listed=where.listed,
        is_raw=raw,
        selection=Selection(recursive, tuple(include or ()), tuple(exclude or ()), root),
        naming=Naming(
            asked.photo_format(image_format),
            quality,
            asked.name_suffix(suffix),
            asked.existing(is_skipped=skip_existing, is_replaced=overwrite),
        ),
        drawing=Drawing(
            size=asked.photo_size(size),
            is_tiled=tile,
            invert=asked.when("--invert", invert),
            paper=asked.when("--paper", paper),
            is_aligned=asked.flag("--align", align, "face"),
            is_pasted=asked.pasting(is_asked=paste, align=align),
            is_compared=compare,
            is_flipped_too=asked.flag("--tta", tta, "flip"),
            variations=variations,
            seed=seed,
        ),
        share=planning.parse_share(shard),
        manifest=manifest,
        grid=grid,
    )
    code = carry_out(request, model, Machine(device, precision, as_json, as_lines, show), watch)
    raise typer.Exit(code)
