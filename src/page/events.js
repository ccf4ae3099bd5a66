// The live events of the API: server-sent events, read with fetch because EventSource cannot send a token.

import { request } from "./api.js";

const SILENCE_MS = 40_000;
const MAX_WAIT_MS = 30_000;

// Follows the events of a query. `handlers` has three functions: `open()`, called when the stream opens and earlier events
// may have been missed; `event(name, record)`; and `disconnected(problem, wait)`, with the milliseconds until the next attempt.
export class EventStream {
	failures = 0;

	constructor(handlers) {
		this.handlers = handlers;
		document.addEventListener("visibilitychange", () => this.reconnect());
		addEventListener("online", () => this.reconnect());
	}

	follow(query) {
		const key = JSON.stringify(query);
		if (key === this.key) return;
		Object.assign(this, { key, query, lastId: undefined });
		this.reconnect();
	}

	// Connects at once. A hidden page holds no connection, because browsers allow only six per service.
	reconnect() {
		this.stream?.abort();
		clearTimeout(this.timer);
		if (document.visibilityState === "visible") this.connect();
	}

	async connect() {
		const stream = new AbortController();
		this.stream = stream;
		const problem = await this.read(stream).catch((error) => error);
		clearTimeout(stream.silence);
		if (this.stream !== stream || (stream.signal.aborted && !stream.isSilent)) return;
		const wait = Math.min(MAX_WAIT_MS, (this.retry ?? 1000) * 2 ** this.failures) * (0.5 + Math.random() / 2);
		this.failures += 1;
		this.timer = setTimeout(() => this.connect(), wait);
		this.handlers.disconnected(problem, wait);
	}

	async read(stream) {
		this.expectData(stream);
		const headers = { accept: "text/event-stream", ...(this.lastId && { "last-event-id": this.lastId }) };
		const response = await request("api/events", this.query, { signal: stream.signal, headers });
		this.handlers.open();
		let text = "";
		for await (const chunk of chunks(response.body)) {
			this.expectData(stream);
			this.failures = 0;
			const blocks = (text + chunk).split("\n\n");
			text = blocks.pop();
			blocks.forEach((block) => this.dispatch(block));
		}
	}

	// Restarts the timer that aborts a stream without events and heartbeats.
	expectData(stream) {
		clearTimeout(stream.silence);
		stream.silence = setTimeout(() => {
			stream.isSilent = true;
			stream.abort();
		}, SILENCE_MS);
	}

	dispatch(block) {
		const fields = Object.fromEntries(block.split("\n").map((line) => /^(\w*): ?(.*)/s.exec(line)?.slice(1) ?? ["", ""]));
		if (fields.id) this.lastId = fields.id;
		if (fields.retry) this.retry = Number(fields.retry);
		if (fields.data) this.handlers.event(fields.event, JSON.parse(fields.data));
	}
}

async function* chunks(body) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
