/**
 * A shop by way of pg: parameters, lists of statuses, prepared statements, binary results, a parser for arrays, savepoints, many
 * clients of a pool at once, and what is refused.
 */
import pg from 'pg';

import { check, database, done, refusal } from './checks.mjs';

const options = '-c search_path=shop,order_payment';
const app = new pg.Pool({ ...database('shop_app'), options, max: 10 });
const gateway = new pg.Pool({ ...database('shop_gateway'), options, max: 1 });

async function row(text, values, pool = app)
{
	return (await pool.query(text, values)).rows[0];
}

async function newOrder(price = 10)
{
	return (await row('INSERT INTO orders (customer_id, price, status) VALUES ($1, $2, $3) RETURNING order_id', [7, price, 'pending'])).order_id;
}

const statusOf = async order => (await row('SELECT status FROM orders WHERE order_id = $1', [order])).status;

/** A transaction whose events have that actor. */
async function actingAs(actor, work)
{
	const client = await app.connect();

	try
	{
		await client.query('BEGIN');
		await client.query("SELECT set_config('order_payment.actor', $1, true)", [actor]);
		const result = await work(client);
		await client.query('COMMIT');
		return result;
	}
	catch (error)
	{
		await client.query('ROLLBACK');
		throw error;
	}
	finally
	{
		client.release();
	}
}

async function parameters()
{
	const created = await row('INSERT INTO orders (customer_id, quantity, price, status) VALUES ($1, $2, $3, $4) RETURNING *', [7, 2, '19.90', 'pending']);
	const order = created.order_id;

	check('RETURNING *', [created.status, created.total_amount, created.version, created.created_at instanceof Date], ['pending', '39.80', 1, true]);
	check('a status is compared', await row('SELECT count(*)::int FROM orders WHERE order_id = $1 AND status = $2', [order, 'pending']), { count: 1 });
	check('a list of statuses', await row('SELECT count(*)::int FROM orders WHERE order_id = $1 AND status = ANY ($2)', [order, ['pending', 'paid']]), { count: 1 });
	check('a status that is none', await refusal(app.query('SELECT FROM orders WHERE status = $1', ['sent'])), '22P02');

	const seen = [];
	const client = await app.connect();
	for (let i = 0; i < 12; i++)
		seen.push((await client.query({ name: 'by status', text: 'SELECT status FROM orders WHERE order_id = $1 AND status = $2', values: [order, i % 2 ? 'paid' : 'pending'] })).rowCount);
	const [plan] = (await client.query("SELECT generic_plans > 0 AS generic FROM pg_prepared_statements WHERE name = 'by status'")).rows;
	client.release();
	check('prepared, with a generic plan', [seen.join(''), plan], ['101010101010', { generic: true }]);

	const binary = await app.query({ text: 'SELECT status, version FROM orders WHERE order_id = $1', values: [order], binary: true });
	check('a binary result', binary.rows, [{ status: 'pending', version: 1 }]);

	// an array of a type that pg does not know comes as text, until it is told
	const list = "SELECT '{paid,shipped}'::order_status[] AS list";
	check('an array, as it comes', await row(list), { list: '{paid,shipped}' });
	const { oid } = await row("SELECT 'order_payment.order_status[]'::regtype::oid::int AS oid");
	pg.types.setTypeParser(oid, pg.types.getTypeParser(1009));  // as text[]
	check('an array, as that of text', await row(list), { list: ['paid', 'shipped'] });
}

async function transactions()
{
	const order = await newOrder();

	await actingAs('alice', async client =>
	{
		await client.query('SAVEPOINT try');
		check('refused in a transaction', await refusal(client.query('UPDATE orders SET status = $1 WHERE order_id = $2', ['shipped', order])), 'OP001');
		await client.query('ROLLBACK TO SAVEPOINT try');
		await client.query('UPDATE orders SET status = $1 WHERE order_id = $2', ['cancelled', order]);
	});
	check('after the savepoint it goes on', await statusOf(order), 'cancelled');
	check('the actor of a transaction', await row('SELECT actor, to_status FROM order_events WHERE order_id = $1 ORDER BY version DESC LIMIT 1', [order]), { actor: 'alice', to_status: 'cancelled' });
	const actors = await Promise.all(Array.from({ length: 20 }, () => row("SELECT current_setting('order_payment.actor', true) AS actor")));
	check('no client of the pool keeps it', actors.filter(({ actor }) => actor), []);

	const shared = await newOrder();
	const ids = await Promise.all(Array.from({ length: 20 }, async () => (await row("SELECT payment_id FROM create_payment($1, 'acme', request_key => $2)", [shared, 'once'])).payment_id));
	check('twenty at once: one payment', new Set(ids).size, 1);
}

async function refusals()
{
	const order = await newOrder();
	const said = await refusal(app.query('UPDATE orders SET status = $1 WHERE order_id = $2', ['completed', order]), error => error);

	check('an illegal move', [said.code, said.message, said.schema, said.table, said.column], ['OP001', '"pending" may not become "completed"', 'shop', 'orders', 'status']);
	check('it says where it may go', said.hint, 'From "pending" it may go to "authorized", "paid", "cancelled", "expired".');
	check('a derived column', await refusal(app.query('UPDATE orders SET paid_amount = $1 WHERE order_id = $2', [5, order])), 'OP003');
	check('an outcome, by the application', await refusal(app.query("INSERT INTO payments (order_id, gateway, amount, status) VALUES ($1, 'acme', 10, $2)", [order, 'succeeded'])), 'OP004');
	const pay = amount => row('SELECT payment_id, status FROM create_payment($1, $2, $3, request_key => $4)', [order, 'acme', amount, 'checkout']);
	const first = await pay(10);
	check('a payment that is asked for twice is one', [await pay('10.00'), first.status], [first, 'created']);
	check('another request under that key', await refusal(pay(9)), 'OP002');
	check('its success', (await gateway.query('UPDATE payments SET status = $1 WHERE order_id = $2 AND payment_id = $3', ['succeeded', order, first.payment_id])).rowCount, 1);
	check('pays the order', await statusOf(order), 'paid');
	check('too much is asked back', await refusal(app.query('INSERT INTO refunds (order_id, payment_id, amount) VALUES ($1, $2, 11)', [order, first.payment_id])), 'OP005');
	check('shipped, by its version', (await app.query("UPDATE orders SET status = 'shipped' WHERE order_id = $1 AND version = $2", [order, 4])).rowCount, 1);
}

await parameters();
await transactions();
await refusals();
await app.end();
await gateway.end();
done();
