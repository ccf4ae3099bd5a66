// The first view: what runs now, and the last deploys.

import { filters, to } from "./address.js";
import { read } from "./api.js";
import { body, el, link, none, pages, row, section, table } from "./dom.js";
import { COLUMNS, cells, isOpen, rowKey } from "./deploy.js";
import { clockTime, day, moment } from "./format.js";

const PAGE = 50;
const OPEN = 100;
const STALE_SHOWN = 5;

export const title = () => "deploylog";

export async function load(address, signal) {
	const asked = filters(address);
	const of = (state) => {
		if (address.cursor || (asked.state && asked.state !== state)) return { body: [] };
		return read("api/deploys", { ...asked, state, limit: OPEN }, signal);
	};
	const [running, stale, deploys] = await Promise.all([
		of("running"), of("stale"), read("api/deploys", { ...asked, cursor: address.cursor, limit: PAGE }, signal),
	]);
	return { running: running.body, stale: stale.body, deploys: deploys.body, next: deploys.next };
}

export function show({ running, stale, deploys, next }, address) {
	const isFiltered = Object.keys(filters(address)).length > 0 || address.cursor;
	if (!isFiltered && !deploys.length && !running.length && !stale.length) return welcome();
	return [
		el("h1.unseen", "Deploys"),
		address.cursor || address.state === "finished" || address.state === "superseded" ? null : open(running, stale, address),
		last(deploys, next, address, isFiltered),
	];
}

function open(running, stale, address) {
	const shown = [...running, ...(address.state ? stale : stale.slice(0, STALE_SHOWN))];
	const more = `All ${stale.length}${stale.length === OPEN ? " and more" : ""} that are stale`;
	return section("open", "Running now",
		shown.length ? dated("What runs now", shown) : none("Nothing is running."),
		shown.length < running.length + stale.length && el("p.pages", link(to({ ...filters(address), state: "stale" }), more)));
}

function last(deploys, next, address, isFiltered) {
	// What runs stands above already, where it is not itself asked for.
	const rows = address.state || address.cursor ? deploys : deploys.filter((deploy) => !isOpen(deploy));
	return section("last", address.cursor ? "Earlier deploys" : "Last deploys",
		rows.length ? byDay(rows) : none(isFiltered ? ["No deploy is like this. ", link("./", "Show all")] : "None has finished."),
		pages(address, next));
}

function byDay(deploys) {
	const days = Map.groupBy(deploys, (deploy) => day(new Date(deploy.finished_at ?? deploy.started_at)));
	return table("deploys", "Deploys, the newest first", COLUMNS, [...days].map(([name, those]) => body(name,
		row({ class: "day" }, el("th", { role: "rowheader", scope: "rowgroup", colspan: COLUMNS.length }, name)),
		those.map((deploy) => row({ "data-key": rowKey(deploy) }, cells(deploy, clockTime))))));
}

export function dated(caption, deploys) {
	const rows = deploys.map((deploy) => row({ "data-key": rowKey(deploy) }, cells(deploy, moment)));
	return table("deploys.dated", caption, COLUMNS, body("all", rows));
}

let copied = "Copy the call";

export async function copyCall(button) {
	const call = document.getElementById("call");
	try {
		await navigator.clipboard.writeText(call.textContent);
	} catch {
		// Without HTTPS there is no clipboard to write to.
		getSelection().selectAllChildren(call);
		document.execCommand("copy");
	}
	copied = "Copied";
	button.textContent = copied;
}

function welcome() {
	const call = [
		'curl --header "Content-Type: application/json" --request POST \\',
		`  --data '{"component":"server-interface","version":"2.1","owner":"aoliveira","status":"deployed"}' \\`,
		`  ${new URL("api/", document.baseURI)}`,
	].join("\n");
	return [el("h1.unseen", "Deploys"), section("welcome", "No deploy is recorded yet",
		el("p", "Record the first one. It appears here as it happens:"),
		el("pre#call", { tabindex: "0", role: "region", "aria-label": "The call" }, el("code", call)),
		el("p", el("button#copy", { type: "button" }, copied)),
		none("Send the same with the status ", el("code", "started"), " before, and the deploy is measured."))];
}
