// What happens, as it happens: server-sent events, read with fetch so that a header can go with it.

import { ask } from "./api.js";

const SILENCE_MS = 40_000;
const LONGEST_WAIT_MS = 30_000;

// Follows the events of a query. `on` has: `event(name, record)`; `open()`, when what came before may have been
// missed; `lost(problem, wait)`, with the milliseconds until the next try.
export class Events {
	failures = 0;

	constructor(on) {
		this.on = on;
		document.addEventListener("visibilitychange", () => this.again());
		addEventListener("online", () => this.again());
	}

	follow(query) {
		const key = JSON.stringify(query);
		if (key === this.key) return;
		Object.assign(this, { key, query, lastId: undefined });
		this.again();
	}

	// Tries at once. A page that nobody sees holds no connection: a browser has six of them for all its tabs.
	again() {
		this.stream?.abort();
		clearTimeout(this.timer);
		if (document.visibilityState === "visible") this.run();
	}

	async run() {
		const stream = new AbortController();
		this.stream = stream;
		const problem = await this.read(stream).catch((error) => error);
		clearTimeout(stream.silence);
		if (this.stream !== stream || (stream.signal.aborted && !stream.isSilent)) return;
		const wait = Math.min(LONGEST_WAIT_MS, (this.retry ?? 1000) * 2 ** this.failures) * (0.5 + Math.random() / 2);
		this.failures += 1;
		this.timer = setTimeout(() => this.run(), wait);
		this.on.lost(problem, wait);
	}

	async read(stream) {
		this.listen(stream);
		const headers = { accept: "text/event-stream", ...(this.lastId && { "last-event-id": this.lastId }) };
		const answer = await ask("api/events", this.query, { signal: stream.signal, headers });
		this.on.open();
		let text = "";
		for await (const piece of pieces(answer.body)) {
			this.listen(stream);
			this.failures = 0;
			const blocks = (text + piece).split("\n\n");
			text = blocks.pop();
			blocks.forEach((block) => this.take(block));
		}
	}

	// A stream whose heart beats no more is dead.
	listen(stream) {
		clearTimeout(stream.silence);
		stream.silence = setTimeout(() => {
			stream.isSilent = true;
			stream.abort();
		}, SILENCE_MS);
	}

	take(block) {
		const fields = Object.fromEntries(block.split("\n").map((line) => /^(\w*): ?(.*)/.exec(line)?.slice(1) ?? ["", ""]));
		if (fields.id) this.lastId = fields.id;
		if (fields.retry) this.retry = Number(fields.retry);
		if (fields.data) this.on.event(fields.event, JSON.parse(fields.data));
	}
}

async function* pieces(body) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
