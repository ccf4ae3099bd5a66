// The first view: running deploys and recent deploys.

import { filtersOf, hrefTo, isFiltered } from "./address.js";
import { get } from "./api.js";
import { COLUMNS, deployRow, isOpen } from "./deploy.js";
import { el, link, note, pager, row, section, table, tbody } from "./dom.js";
import { clockTime, day, time } from "./format.js";

const PAGE = 50;
const MAX_OPEN = 100;
const STALE_SHOWN = 5;

export const title = () => "deploylog";

export async function load(address, signal) {
	const filters = filtersOf(address);
	const inState = (state) => {
		if (address.cursor || (filters.state && filters.state !== state)) return { body: [] };
		return get("api/deploys", { ...filters, state, limit: MAX_OPEN }, signal);
	};
	const [running, stale, deploys] = await Promise.all([
		inState("running"), inState("stale"), get("api/deploys", { ...filters, cursor: address.cursor, limit: PAGE }, signal),
	]);
	return { running: running.body, stale: stale.body, deploys: deploys.body, next: deploys.next };
}

export function show({ running, stale, deploys, next }, address) {
	const isPart = isFiltered(address) || address.cursor;
	if (!isPart && !deploys.length && !running.length && !stale.length) return welcome();
	return [
		el("h1.sr-only", "Deploys"),
		!address.cursor && !["finished", "superseded"].includes(address.state) && openSection(running, stale, address),
		recentSection(deploys, next, address, isPart),
	];
}

function openSection(running, stale, address) {
	const shown = [...running, ...(address.state ? stale : stale.slice(0, STALE_SHOWN))];
	const all = `Show all ${stale.length}${stale.length === MAX_OPEN ? "+" : ""} stale deploys`;
	return section("open", "Running now",
		shown.length ? datedTable("Running deploys", shown) : note("No deploys are running."),
		shown.length < running.length + stale.length && el("p.pager", link(hrefTo({ ...filtersOf(address), state: "stale" }), all)));
}

function recentSection(deploys, next, address, isPart) {
	// Open deploys are already listed above, unless a filter or a page selects them here.
	const rows = address.state || address.cursor ? deploys : deploys.filter((deploy) => !isOpen(deploy));
	return section("recent", address.cursor ? "Earlier deploys" : "Recent deploys",
		rows.length ? tableByDay(rows) : note(isPart ? ["No deploys match these filters. ", link("./", "Show all")] : "No deploys have finished yet."),
		pager(address, next));
}

function tableByDay(deploys) {
	const days = Map.groupBy(deploys, (deploy) => day(new Date(deploy.finished_at ?? deploy.started_at)));
	return table("deploys", "Deploys, newest first", COLUMNS, [...days].map(([name, ofDay]) => tbody(name,
		row({ class: "day" }, el("th", { role: "rowheader", scope: "rowgroup", colspan: COLUMNS.length }, name)),
		ofDay.map((deploy) => deployRow(deploy, clockTime)))));
}

export function datedTable(caption, deploys) {
	return table("deploys", caption, COLUMNS, tbody("all", deploys.map((deploy) => deployRow(deploy, time))));
}

let copyLabel = "Copy command";

export async function copyCommand(button) {
	const command = document.getElementById("command");
	try {
		await navigator.clipboard.writeText(command.textContent);
	} catch {
		// The clipboard API requires HTTPS or a loopback address.
		getSelection().selectAllChildren(command);
		document.execCommand("copy");
	}
	copyLabel = "Copied";
	button.textContent = copyLabel;
}

function welcome() {
	const command = [
		'curl --header "Content-Type: application/json" --request POST \\',
		`  --data '{"component":"server-interface","version":"2.1","owner":"aoliveira","status":"deployed"}' \\`,
		`  ${new URL("api/", document.baseURI)}`,
	].join("\n");
	return [el("h1.sr-only", "Deploys"), section("welcome", "No deploys recorded yet",
		el("p", "Run this command to record one. It appears here immediately."),
		el("pre#command", { tabindex: 0, role: "region", "aria-label": "Command" }, el("code", command)),
		el("p", el("button#copy", { type: "button" }, copyLabel)),
		note("To measure durations, send a record with the status ", el("code", "started"), " first."))];
}
