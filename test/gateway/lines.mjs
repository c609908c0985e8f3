// A request of JSON on each line of standard input, its answer on a line of standard output: what the function named in its
// member `do` returns, or { error }.

import { createInterface } from 'node:readline';

export async function answer(functions) {
	for await (const line of createInterface({ input: process.stdin })) {
		const request = JSON.parse(line);
		let result;
		try {
			result = await functions[request.do](request);
		} catch (error) {
			result = { error: error.message || error.name };
		}
		console.log(JSON.stringify(result));
	}
}
