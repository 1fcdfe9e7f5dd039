"""Makes pages of the site of the tutorials: runs each, and writes its text, code and output.

A tutorial is a Python program in the percent format of Jupytext, so that it can be read, checked
and run as it is. ``DOCS_EXECUTE=false`` leaves the outputs out, which is quick.
"""

import os
from pathlib import Path
from typing import Any

import jupytext
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from nbclient.exceptions import CellExecutionError
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor, ExecutePreprocessor
from traitlets.config import Config

LONGEST = 600  # seconds of a cell
LOCAL = Config(KernelManager={"transport": "ipc"})  # sockets that are files, not ports


def on_files(files: Files, *, config: Any) -> Files:
    """Puts a page, and its pictures, in the place of each program in tutorials/."""
    for file in list(files):
        if file.src_uri.startswith("tutorials/") and file.src_uri.endswith(".py"):
            files.remove(file)
            path = Path(str(file.abs_src_path))
            text, pictures = page(path, execute=os.environ.get("DOCS_EXECUTE") != "false")
            files.append(File.generated(config, f"tutorials/{path.stem}.md", content=text))
            for name, data in pictures.items():
                files.append(File.generated(config, f"tutorials/{name}", content=data))
    return files


def page(path: Path, *, execute: bool) -> tuple[str, dict[str, bytes]]:
    """The Markdown of a tutorial and the PNG files that it shows, by name.

    Args:
        path: the program.
        execute: run it; otherwise there are no outputs.

    Raises:
        PluginError: a cell failed.
    """
    notebook = jupytext.read(path)
    if execute:
        try:
            runner = ExecutePreprocessor(timeout=LONGEST, kernel_name="python3", config=LOCAL)
            runner.preprocess(notebook)
            CoalesceStreamsPreprocessor().preprocess(notebook, {})
        except CellExecutionError as error:
            raise PluginError(f"{path.name}: {error}") from error
    start = {"unique_key": path.stem, "output_files_dir": ""}
    text, resources = MarkdownExporter().from_notebook_node(notebook, resources=start)
    return text, {Path(name).name: data for name, data in resources["outputs"].items()}
