"""Keeps what servers say of their tools as fixtures, with the verdict that a person wrote beside each."""

import json
import pathlib

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures/tools"


def record(row, folder, seen, package, version):
    """Writes the server's fixture; a tool that is known keeps its verdict, a new one has none."""
    listed = seen.answers.get("list", {}).get("result", {}).get("tools")
    if not listed:
        print(f"{row['name']}: no tools; {seen.stderr[-300:]}")
        return
    file = FIXTURES / f"{row['name']}.json"
    known = json.loads(file.read_text())["tools"] if file.exists() else []
    judged = {tool["name"]: {key: tool[key] for key in ("wanted", "close") if key in tool} for tool in known}
    kept = ("name", "description", "annotations")
    tools = [{**{key: tool[key] for key in kept if key in tool}, **judged.get(tool["name"], {"wanted": None})} for tool in listed]
    # A description may name the folder that the server was given.
    tools = json.loads(json.dumps(tools).replace(folder, "/home/ann"))
    fixture = {"server": row["name"], "package": package, "version": version, "tools": tools}
    FIXTURES.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(fixture, indent=1, ensure_ascii=False) + "\n")
    print(f"{row['name']}: {len(tools)} tools, {sum(tool['wanted'] is None for tool in tools)} without a verdict")
