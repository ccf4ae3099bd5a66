// Formats times in the time zone of the browser, durations and numbers.

import { el } from "./dom.js";

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const HOUR = { hour: "2-digit", minute: "2-digit" };
const DAY = { day: "numeric", month: "short" };
const THIS_YEAR = new Date().getFullYear();
const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

function dateFormat(options) {
	const formatter = new Intl.DateTimeFormat("en-GB", { hourCycle: "h23", ...options });
	return (date) => formatter.format(date).replaceAll(",", "");
}

// A <time> element with the local time; its title has the exact time in UTC.
const timed = (format) => (iso) =>
	el("time", { datetime: iso, title: `${iso.replace("T", " ").replace("Z", "")} UTC` }, format(new Date(iso)));

const offset = dateFormat({ timeZoneName: "longOffset" });
const hour = dateFormat(HOUR);
const thisYear = dateFormat({ ...DAY, ...HOUR });
const otherYear = dateFormat({ ...DAY, ...HOUR, year: "numeric" });
const isToday = (date) => date.toDateString() === new Date().toDateString();

export const zoneName = () => (ZONE === "UTC" ? ZONE : `${ZONE} (UTC${offset(new Date()).split("GMT")[1]})`);
export const day = dateFormat({ weekday: "short", year: "numeric", ...DAY });
export const shortDay = dateFormat(DAY);
export const clockTime = timed(hour);
export const secondsTime = timed(dateFormat({ ...HOUR, second: "2-digit" }));
export const time = timed((date) =>
	isToday(date) ? `today ${hour(date)}` : date.getFullYear() === THIS_YEAR ? thisYear(date) : otherYear(date));

export const number = (value) => NUMBER.format(value);
export const count = (value, singular) => `${number(value)} ${singular}${value === 1 ? "" : "s"}`;

const pad = (value) => String(value).padStart(2, "0");

// 850ms, 4.2s, 42s, 4m 12s, 3h 05m, 2d 4h
export function duration(seconds) {
	if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
	if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
	const [whole, minutes, hours] = [1, 60, 3600].map((unit) => Math.round(seconds / unit));
	if (whole < 60) return `${whole}s`;
	if (whole < 3600) return `${Math.floor(whole / 60)}m ${pad(whole % 60)}s`;
	if (minutes < 1440) return `${Math.floor(minutes / 60)}h ${pad(minutes % 60)}m`;
	return `${number(Math.floor(hours / 24))}d ${hours % 24}h`;
}

// 0:42, 4:12, 25:04:12
export function timer(seconds) {
	const whole = Math.max(0, Math.floor(seconds));
	const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
	return `${hours ? `${hours}:${pad(minutes)}` : minutes}:${pad(whole % 60)}`;
}
