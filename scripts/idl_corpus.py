"""Ask thriftgo and ourselves about every .thrift file of some folders, and print where we disagree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from txgateway.core.errors import IdlError
from txgateway.core.idl import decode
from txgateway.core.linker import load

THRIFTGO = "v0.4.5"

# What `thriftgo` does before it generates code. Everything is in the error's stage: the parser
# finds includes too, `check` are duplicates and the like, `resolve` are names.
JUDGE = """
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/cloudwego/thriftgo/parser"
	"github.com/cloudwego/thriftgo/semantic"
)

func judge(path string) (stage, message string) {
	defer func() {
		if x := recover(); x != nil {
			stage, message = "panic", fmt.Sprint(x)
		}
	}()
	ast, err := parser.ParseFile(path, nil, true)
	if err != nil {
		return "parse", err.Error()
	}
	if circle := parser.CircleDetect(ast); circle != "" {
		return "circle", circle
	}
	if _, err = semantic.NewChecker(semantic.Options{FixWarnings: true}).CheckAll(ast); err != nil {
		return "check", err.Error()
	}
	if err = semantic.ResolveSymbols(ast); err != nil {
		return "resolve", err.Error()
	}
	return "", ""
}

func main() {
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		stage, message := judge(in.Text())
		out.Encode(map[string]string{"stage": stage, "message": message})
	}
}
"""


def judge(paths: list[Path]) -> list[dict[str, str]]:
    """thriftgo's verdict on each file: the stage that refused it, or "", and its message."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.go").write_text(JUDGE)
        (Path(folder) / "go.mod").write_text("module judge\n\ngo 1.21\n")
        environment = {**os.environ, "GOFLAGS": "-mod=mod", "PATH": f"{os.environ['PATH']}:/usr/local/go/bin"}
        go = {"cwd": folder, "env": environment, "check": True}
        subprocess.run(["go", "get", f"github.com/cloudwego/thriftgo@{THRIFTGO}"], capture_output=True, **go)
        subprocess.run(["go", "build", "-o", "judge", "."], **go)
        answer = subprocess.run(
            [f"{folder}/judge"], input="\n".join(map(str, paths)), capture_output=True, text=True, check=True, cwd="/"
        )
    return [json.loads(line) for line in answer.stdout.splitlines()]


def refusal(path: Path) -> str:
    """Our own verdict: "" or the first error."""
    try:
        load(str(path), lambda p: decode(Path(p).read_bytes()))
    except IdlError as e:
        return str(e.diagnostics[0])
    return ""


def main() -> int:
    paths = sorted({p.resolve() for folder in sys.argv[1:] for p in Path(folder).rglob("*.thrift") if p.is_file()})
    total: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    for path, verdict in zip(paths, judge(paths), strict=True):
        kind = f"refused ({verdict['stage']})" if verdict["stage"] else "accepted"
        ours = refusal(path)
        total[kind] += 1
        agreed[kind] += bool(ours) == bool(verdict["stage"])
        if bool(ours) != bool(verdict["stage"]):
            print(f"{path}: {kind} by thriftgo: {verdict['message'][:300]}\n{ours or 'loads here'}\n")
    for kind in sorted(total):
        print(f"{kind} by thriftgo: {agreed[kind]} of {total[kind]} the same here")
    return int(agreed["accepted"] != total["accepted"])


if __name__ == "__main__":
    sys.exit(main())
