"""What the README and the docs say, run."""

import re
from pathlib import Path

import pytest

import pimjax as pj
from pimjax import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = "\n".join(blocks("console")).splitlines()
    return [line.removeprefix("$ ").split("#")[0].strip() for line in lines if line[:2] == "$ "]


@pytest.mark.parametrize("index", range(len(blocks("python"))))
def test_python_examples(index, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[index], f"README.md, example {index}", "exec"), {})
    capsys.readouterr()


def test_the_two_commands_come_first_and_exist():
    assert commands()[:2] == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    for command in commands():
        if command.startswith("make"):
            assert command.split()[1] in targets


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("pimjax chips")])
def test_pimjax_commands(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(command.split()[1:])
    assert not end.value.code
    assert capsys.readouterr().out


def test_the_options_of_demo_and_run_parse():
    demos = [c.split()[2:] for c in commands() if c.startswith("pimjax demo")]
    parsed = [cli.demo.make_context("demo", options).params for options in demos]
    assert parsed[0]["images"] == 200 and parsed[1]["imagenet"]
    runs = [c.split()[2:] for c in commands() if c.startswith("pimjax run")]
    parsed = [cli.run.make_context("run", options).params for options in runs]
    assert parsed[0]["adc"] == "mse" and parsed[1]["scenario"] in pj.scenario_names()


def test_the_quoted_error_is_what_is_printed(capsys):
    quoted = re.search(r"`(pimjax: mram-pim-8b: [^`]*)`", README)
    with pytest.raises(SystemExit):
        cli.main(["chips", "mram-pim-8b", "--set", "adc.bits=99"])
    assert capsys.readouterr().err.strip() == quoted[1]


def test_docs_name_the_semantics_version():
    text = (ROOT / "docs" / "semantics.md").read_text()
    assert f"version {pj.SEMANTICS}." in text


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))])
def test_links_lead_somewhere(page):
    path = ROOT / page
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
