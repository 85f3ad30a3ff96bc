// Starts a program as a Windows client does, and says how it ended: {"code": …, "stdout": …} of all 32 bits of the code.

import { spawn } from "node:child_process";

const [program, ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
let stdout = "";
child.stdout.on("data", (chunk) => (stdout += chunk));
child.stdin.end();
child.on("close", (code) => console.log(JSON.stringify({ code, stdout })));
