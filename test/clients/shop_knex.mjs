/**
 * A shop by way of Knex: its builder for inserts, lists of statuses, conflicts, locks, nested transactions, functions, and what is
 * refused.
 */
import Knex from 'knex';

import { check, database, done, refusal } from './checks.mjs';

const searchPath = ['shop', 'order_payment'];
const app = Knex({ client: 'pg', connection: database('shop_app'), searchPath, pool: { min: 0, max: 5 } });
const gateway = Knex({ client: 'pg', connection: database('shop_gateway'), searchPath, pool: { min: 0, max: 1 } });

/** A transaction whose events have that actor. */
const actingAs = (actor, work) => app.transaction(async trx =>
{
	await trx.select(trx.raw("set_config('order_payment.actor', ?, true)", [actor]));
	return work(trx);
});

const createPayment = (order, amount, key, db = app) =>
	db.first('payment_id', 'status').from(db.raw('create_payment(?, ?, ?, request_key => ?)', [order, 'acme', amount, key]));

async function newOrder(price = 10)
{
	const [order] = await app('orders').insert({ customer_id: 7, price, status: 'pending' }).returning('*');

	return order;
}

async function builder()
{
	const order = await newOrder('19.90');

	check('insert().returning()', [order.status, order.total_amount, order.version, order.created_at instanceof Date], ['pending', '19.90', 1, true]);
	const rows = Array.from({ length: 10 }, (_, i) => ({ customer_id: 21, price: i + 1, request_key: `bulk-${i}` }));
	check('batchInsert()', (await app.batchInsert('orders', rows, 4).returning('order_id')).length, 10);
	check('onConflict().ignore(): a key twice is one order', (await app('orders').insert([...rows, { customer_id: 21, price: 5, request_key: 'new' }]).onConflict().ignore().returning('request_key')), [{ request_key: 'new' }]);

	const mine = () => app('orders').where('customer_id', 21);
	const ids = (await mine().orderBy('order_id').select('order_id')).map(o => o.order_id);
	check('update()', await mine().whereIn('order_id', ids.slice(8)).update({ status: 'cancelled' }), 3);
	for (const id of ids.slice(0, 2))
	{
		const { payment_id } = await createPayment(id, null, 'first');
		await gateway('payments').where({ order_id: id, payment_id }).update({ status: 'succeeded' });
	}
	check('whereIn()', (await mine().whereIn('status', ['paid', 'cancelled'])).length, 5);
	check('whereNotIn()', (await mine().whereNotIn('status', ['paid', 'cancelled'])).length, 6);
	check('where() by the order of display', (await mine().where('status', '<', 'paid')).length, 9);
	check('whereRaw() with a list', (await mine().whereRaw('status = ANY (?)', [['paid']])).length, 2);
	check('groupBy()', await mine().select('status').count('* as n').groupBy('status').orderBy('status'), [{ status: 'cancelled', n: '3' }, { status: 'pending', n: '6' }, { status: 'paid', n: '2' }]);
	check('a join', (await app('payments as p').join('orders as o', 'o.order_id', 'p.order_id').where({ 'o.customer_id': 21, 'p.status': 'succeeded' })).length, 2);
	check('withSchema()', (await app.withSchema('shop').from('orders').where({ order_id: ids[0], status: 'paid' })).length, 1);
	const moved = await mine().where({ order_id: ids[0], version: 4 }).update({ status: 'shipped' }, ['status', 'version']);
	check('optimistic locking: the version is this', moved, [{ status: 'shipped', version: 5 }]);
	check('optimistic locking: the version was another', await mine().where({ order_id: ids[0], version: 4 }).update({ status: 'completed' }), 0);
}

async function transactions()
{
	const { order_id } = await newOrder();

	await actingAs('alice', async trx =>
	{
		const locked = await trx('orders').where({ order_id }).forNoKeyUpdate().first();
		check('a nested transaction is a savepoint', await refusal(trx.transaction(nested => nested('orders').where({ order_id }).update({ status: 'shipped' }))), 'OP001');
		await trx('orders').where({ order_id, version: locked.version }).update({ status: 'cancelled' });
	});
	check('what came after it stands, with its actor', await app('order_events').where({ order_id }).orderBy('version', 'desc').first('actor', 'to_status'), { actor: 'alice', to_status: 'cancelled' });
	const actors = await Promise.all(Array.from({ length: 10 }, () => app.first(app.raw("current_setting('order_payment.actor', true) AS actor"))));
	check('no connection of the pool keeps it', actors.filter(({ actor }) => actor), []);

	const refused = app.transaction(async trx =>
	{
		await trx('orders').insert({ customer_id: 33, price: 1 });
		await trx('orders').insert({ customer_id: 33, price: 1, status: 'shipped' });
	});
	check('an order that is born shipped', await refusal(refused), 'OP001');
	check('takes its transaction with it', await app('orders').where({ customer_id: 33 }), []);
}

async function refusals()
{
	const { order_id } = await newOrder();
	const order = () => app('orders').where({ order_id });
	const said = await refusal(order().update({ status: 'completed' }), error => error);

	check('an illegal move', [said.code, said.column, said.hint], ['OP001', 'status', 'From "pending" it may go to "authorized", "paid", "cancelled", "expired".']);
	check('a status that is none', await refusal(order().update({ status: 'sent' })), '22P02');
	check('a derived column', await refusal(order().update({ paid_amount: 5 })), 'OP003');
	check('increment() of one', await refusal(order().increment('version')), 'OP003');
	check('an outcome, by the application', await refusal(app('payments').insert({ order_id, gateway: 'acme', amount: 10, status: 'succeeded' })), 'OP004');
	const first = await createPayment(order_id, 10, 'checkout');
	check('a payment that is asked for twice is one', [await createPayment(order_id, '10.00', 'checkout'), first.status], [first, 'created']);
	check('another request under that key', await refusal(createPayment(order_id, 9, 'checkout')), 'OP002');
	check('a second attempt beside it', await refusal(app('payments').insert({ order_id, gateway: 'acme', amount: 10 }), error => [error.code, error.constraint]), ['23505', 'payments_one_live_attempt_idx']);
	check('del()', await refusal(app('payments').where({ order_id }).del()), '42501');
}

await builder();
await transactions();
await refusals();
await app.destroy();
await gateway.destroy();
done();
