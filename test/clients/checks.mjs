/**
 * What the Node programs here share. Each prints a line for each check, "ok" or "not ok" and its name, at last how many they were.
 * The server and the database are those of the PG* variables; it has a store `shop` as the README makes it.
 */
import { isDeepStrictEqual, inspect } from 'node:util';

let checks = 0;

export function check(name, got, wanted)
{
	const same = isDeepStrictEqual(got, wanted);

	checks++;
	console.log((same ? 'ok ' : 'not ok ') + name);
	if (!same)
		console.log(`# got ${inspect(got, { breakLength: Infinity })}, wanted ${inspect(wanted, { breakLength: Infinity })}`);
}

/** What code makes of the error that a refused promise has; null if it was not refused. */
export async function refusal(action, code = error => error.code)
{
	try
	{
		await (typeof action === 'function' ? action() : action);
	}
	catch (error)
	{
		return code(error);
	}
	return null;
}

export function done()
{
	console.log(`done ${checks}`);
}

/** How to connect as a role. */
export const database = user => ({ host: process.env.PGHOST, port: Number(process.env.PGPORT), database: process.env.PGDATABASE, user });
