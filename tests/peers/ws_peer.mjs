// npm `ws` against the echo endpoint: node ws_peer.mjs ws://HOST:PORT/v1/echo
// `ws` offers permessage-deflate by itself: the server must answer without it.
import { createRequire } from "node:module";
import path from "node:path";

// The package lies wherever run.sh installed it, not beside this file.
const require = createRequire(path.join(process.env.PEERS_FOLDER ?? process.cwd(), "peer.js"));
const WebSocket = require("ws");

const url = process.argv[2];
const SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20];
const TIMEOUT_MS = 20_000;

function bytes(size) {
    const filled = Buffer.alloc(size);
    for (let i = 0; i < size; i++) filled[i] = (i * 31 + 7) & 0xff;
    return filled;
}

// `size` bytes of UTF-8 with characters of one to four bytes.
function text(size) {
    const whole = "aß漢🎲".repeat(Math.floor(size / 10));
    return whole + "x".repeat(size - Buffer.byteLength(whole));
}

function open() {
    return new Promise((resolve, reject) => {
        const socket = new WebSocket(url);
        socket.received = [];
        socket.waiting = [];
        const put = (event) => (socket.waiting.shift() ?? ((e) => socket.received.push(e)))(event);
        socket.on("message", (data, isBinary) => put({ kind: isBinary ? "binary" : "text", data }));
        socket.on("pong", (data) => put({ kind: "pong", data }));
        socket.on("close", (code, reason) => put({ kind: "close", code, reason: reason.toString() }));
        socket.once("open", () => resolve(socket));
        socket.once("error", reject);
    });
}

function next(socket) {
    const kept = socket.received.shift();
    if (kept) return Promise.resolve(kept);
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("no answer")), TIMEOUT_MS);
        socket.waiting.push((event) => {
            clearTimeout(timer);
            resolve(event);
        });
    });
}

async function expect(socket, kind, data) {
    const event = await next(socket);
    if (event.kind !== kind) throw new Error(`${event.kind} ${event.code ?? ""} instead of ${kind}`);
    if (!event.data.equals(data)) throw new Error(`${event.data.length} bytes came back changed`);
}

async function expectClose(socket, code, reason) {
    const event = await next(socket);
    if (event.kind !== "close") throw new Error(`${event.kind} instead of close`);
    if (event.code !== code) throw new Error(`close ${event.code} instead of ${code}`);
    if (reason !== undefined && event.reason !== reason) throw new Error(`reason '${event.reason}'`);
}

const cases = {};

for (const size of SIZES) {
    cases[`text, ${size} bytes`] = async (socket) => {
        socket.send(text(size));
        await expect(socket, "text", Buffer.from(text(size)));
    };
    cases[`binary, ${size} bytes`] = async (socket) => {
        socket.send(bytes(size));
        await expect(socket, "binary", bytes(size));
    };
}

cases["three fragments, characters cut in two, a ping between"] = async (socket) => {
    const whole = Buffer.from(text(100));
    socket.send(whole.subarray(0, 2), { binary: false, fin: false });
    socket.send(whole.subarray(2, 5), { binary: false, fin: false });
    socket.ping("between");
    socket.send(whole.subarray(5), { binary: false, fin: true });
    await expect(socket, "pong", Buffer.from("between"));
    await expect(socket, "text", whole);
};

cases["a hundred binary fragments"] = async (socket) => {
    const whole = bytes(100_000);
    for (let i = 0; i < 100; i++) {
        socket.send(whole.subarray(i * 1000, (i + 1) * 1000), { binary: true, fin: i === 99 });
    }
    await expect(socket, "binary", whole);
};

cases["ping with 0 and 125 bytes"] = async (socket) => {
    socket.ping(Buffer.alloc(0));
    await expect(socket, "pong", Buffer.alloc(0));
    socket.ping(bytes(125));
    await expect(socket, "pong", bytes(125));
};

cases["a thousand messages come back in order"] = async (socket) => {
    for (let i = 0; i < 1000; i++) socket.send(`message ${i}`);
    for (let i = 0; i < 1000; i++) await expect(socket, "text", Buffer.from(`message ${i}`));
};

for (const [code, reason] of [[1000, ""], [1000, "done"], [3000, "x".repeat(123)], [4999, "ß漢🎲"]]) {
    cases[`close ${code} with ${Buffer.byteLength(reason)} bytes of reason is answered`] = async (socket) => {
        socket.close(code, reason);
        await expectClose(socket, code);
    };
}

cases["close without a code is answered"] = async (socket) => {
    socket.close();
    await expectClose(socket, 1005);
};

cases["bad UTF-8 is closed with 1007"] = async (socket) => {
    socket.send(Buffer.from([0x61, 0xff]), { binary: false });
    await expectClose(socket, 1007);
};

cases["a message over the limit is closed with 1009"] = async (socket) => {
    socket.on("error", () => {}); // The server may reset while the rest is still being sent.
    socket.send(Buffer.alloc((16 << 20) + 1));
    await expectClose(socket, 1009);
};

let failed = 0;
for (const [name, run] of Object.entries(cases)) {
    let socket;
    try {
        socket = await open();
        await run(socket);
        console.log(`ok ${name}`);
    } catch (error) {
        failed += 1;
        console.log(`FAIL ${name}: ${error.message}`);
    } finally {
        socket?.terminate();
    }
}
console.log(`${Object.keys(cases).length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
