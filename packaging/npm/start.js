#!/usr/bin/env node
// Starts the program of the package that fits this machine, in this process's place as far as Node lets it: the same
// stdin, stdout and stderr, signals handed on, the same exit code.

"use strict";

const { spawn } = require("node:child_process");

const PROGRAM = "@PROGRAM@";
const holder = `hitl-wrap-${process.platform}-${process.arch}`;
const suffix = process.platform === "win32" ? ".exe" : "";

let path;
try {
  path = require.resolve(`${holder}/bin/${PROGRAM}${suffix}`);
} catch {
  console.error(`${PROGRAM}: there is no package ${holder}: this system is not supported, or optional packages were left out`);
  process.exit(1);
}

const child = spawn(path, process.argv.slice(2), { stdio: "inherit", windowsHide: true });
child.on("error", (error) => {
  console.error(`${PROGRAM}: cannot be started: ${error.message}`);
  process.exit(126);
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  if (!signal) process.exit(code);
  // As a shell would say it.
  process.exit(128 + require("node:os").constants.signals[signal]);
});
