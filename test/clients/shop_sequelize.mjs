/**
 * A shop by way of Sequelize: models of tables that are there, with the key of two columns that payments have; statuses by the name of
 * their type; what the server keeps; locks, savepoints, and what is refused.
 */
import { DataTypes, ForeignKeyConstraintError, Op, Sequelize, UniqueConstraintError, col, fn } from 'sequelize';

import { check, database, done, refusal } from './checks.mjs';

function connect(role)
{
	const { database: name, user, ...where } = database(role);

	return new Sequelize(name, user, '', { ...where, dialect: 'postgres', logging: false, pool: { max: 5 },
		define: { schema: 'shop', timestamps: false }, dialectOptions: { options: '-c search_path=shop,order_payment' } });
}

/** Columns that the server keeps have no default here: what has no value is left out, and RETURNING brings it. */
function models(sequelize)
{
	const Order = sequelize.define('Order', {
		order_id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true },
		customer_id: DataTypes.BIGINT,
		quantity: DataTypes.DECIMAL,
		price: DataTypes.DECIMAL,
		status: { type: 'order_payment.order_status', defaultValue: 'pending' },
		payment_method: DataTypes.TEXT,
		request_key: DataTypes.TEXT,
		total_amount: DataTypes.DECIMAL,
		paid_amount: DataTypes.DECIMAL,
		version: DataTypes.INTEGER,
		created_at: DataTypes.DATE,
		paid_at: DataTypes.DATE
	}, { tableName: 'orders' });
	const Payment = sequelize.define('Payment', {
		order_id: { type: DataTypes.BIGINT, primaryKey: true },
		payment_id: { type: DataTypes.UUID, primaryKey: true, defaultValue: DataTypes.UUIDV4 },
		gateway: DataTypes.TEXT,
		amount: DataTypes.DECIMAL,
		status: { type: 'order_payment.payment_status', defaultValue: 'created' },
		request_key: DataTypes.TEXT,
		captured_amount: DataTypes.DECIMAL,
		expected_net: DataTypes.DECIMAL
	}, { tableName: 'payments' });
	const OrderEvent = sequelize.define('OrderEvent', {
		order_id: { type: DataTypes.BIGINT, primaryKey: true },
		version: { type: DataTypes.INTEGER, primaryKey: true },
		to_status: DataTypes.TEXT,
		actor: DataTypes.TEXT
	}, { tableName: 'order_events' });

	Order.hasMany(Payment, { foreignKey: 'order_id', as: 'payments' });
	Payment.belongsTo(Order, { foreignKey: 'order_id' });
	return { Order, Payment, OrderEvent };
}

const app = connect('shop_app');
const gateway = connect('shop_gateway');
const { Order, Payment, OrderEvent } = models(app);
const { Payment: Recorded } = models(gateway);

/** The SQLSTATE: Sequelize keeps the driver's own error. */
const sqlstate = error => error.original?.code ?? error;

/** A transaction whose events have that actor. */
const actingAs = (actor, work) => app.transaction(async transaction =>
{
	await app.query("SELECT set_config('order_payment.actor', $1, true)", { bind: [actor], transaction });
	return work(transaction);
});

const createPayment = async (order, amount, key) =>
	(await app.query('SELECT payment_id, status FROM create_payment($1, $2, $3, request_key => $4)', { bind: [order, 'acme', amount, key] }))[0][0];

async function succeed(order)
{
	const payment = await Payment.create({ order_id: order.order_id, gateway: 'acme', amount: order.total_amount });

	await Recorded.update({ status: 'succeeded' }, { where: { order_id: order.order_id, payment_id: payment.payment_id } });
	return payment.reload();
}

async function objects()
{
	const order = await Order.create({ customer_id: 7, quantity: 2, price: '19.90' });

	check('create() brings what the server keeps', [order.status, order.total_amount, order.version, order.created_at instanceof Date], ['pending', '39.80', 1, true]);
	const payment = await succeed(order);
	check('a key of two columns, and a generated column', [payment.status, payment.captured_amount, payment.expected_net], ['succeeded', '39.80', '39.80']);
	check('findOne() with its payments', (await Order.findOne({ where: { order_id: order.order_id, status: 'paid' }, include: 'payments' })).payments.map(p => p.payment_id), [payment.payment_id]);
	order.payment_method = 'card';
	await order.save();
	check('save() writes what has changed', [order.status, (await order.reload()).payment_method], ['pending', 'card']);
	check('reload() brings the rest', [order.status, order.paid_amount, order.paid_at instanceof Date], ['paid', '39.80', true]);
	const [moved] = await Order.update({ status: 'shipped' }, { where: { order_id: order.order_id, version: order.version } });
	check('optimistic locking: the version is this', moved, 1);
	check('optimistic locking: the version was another', (await Order.update({ status: 'completed' }, { where: { order_id: order.order_id, version: order.version } }))[0], 0);
	order.status = 'completed';
	await order.save();
	check('a status of an object', (await order.reload()).status, 'completed');
}

async function queries()
{
	const rows = Array.from({ length: 10 }, (_, i) => ({ customer_id: 21, price: i + 1, request_key: `bulk-${i}` }));

	const made = await Order.bulkCreate(rows);
	check('bulkCreate()', made.map(o => o.status + o.version), Array(10).fill('pending1'));
	await Order.bulkCreate([...rows, { customer_id: 21, price: 5, request_key: 'new' }], { ignoreDuplicates: true });
	check('ignoreDuplicates: a key twice is one order', await Order.count({ where: { customer_id: 21 } }), 11);
	await succeed(made[0]);
	await succeed(made[1]);
	const [n, cancelled] = await Order.update({ status: 'cancelled' }, { where: { customer_id: 21, price: { [Op.gt]: 8 } }, returning: true });
	check('update() with returning', [n, cancelled.map(o => o.status)], [2, ['cancelled', 'cancelled']]);
	const count = where => Order.count({ where: { customer_id: 21, ...where } });
	check('a list of statuses', await count({ status: ['paid', 'cancelled'] }), 4);
	check('Op.notIn', await count({ status: { [Op.notIn]: ['paid', 'cancelled'] } }), 7);
	check('Op.lt by the order of display', await count({ status: { [Op.lt]: 'paid' } }), 9);
	check('bind: a list', (await app.query('SELECT count(*)::int AS n FROM orders WHERE customer_id = 21 AND status = ANY ($1)', { bind: [['paid', 'shipped']] }))[0], [{ n: 2 }]);
	check('group', (await Order.findAll({ where: { customer_id: 21 }, attributes: ['status', [fn('count', col('*')), 'n']], group: 'status', order: ['status'], raw: true })),
		[{ status: 'cancelled', n: '2' }, { status: 'pending', n: '7' }, { status: 'paid', n: '2' }]);
	const [, isNew] = await Order.findOrCreate({ where: { customer_id: 21, request_key: 'bulk-0' }, defaults: { price: 1 } });
	check('findOrCreate()', isNew, false);
}

async function transactions()
{
	const { order_id } = await Order.create({ customer_id: 7, price: 10 });

	await actingAs('alice', async transaction =>
	{
		const order = await Order.findByPk(order_id, { transaction, lock: transaction.LOCK.NO_KEY_UPDATE });
		const nested = app.transaction({ transaction }, inner => Order.update({ status: 'shipped' }, { where: { order_id }, transaction: inner }));
		check('a nested transaction is a savepoint', await refusal(nested, sqlstate), 'OP001');
		await order.update({ status: 'cancelled' }, { transaction });
	});
	check('what came after it stands, with its actor', (await OrderEvent.findAll({ where: { order_id }, order: ['version'] })).map(e => [e.version, e.to_status, e.actor]),
		[[1, 'pending', 'shop_app'], [2, 'cancelled', 'alice']]);
	const actors = await Promise.all(Array.from({ length: 10 }, () => app.query("SELECT current_setting('order_payment.actor', true) AS actor")));
	check('no connection of the pool keeps it', actors.filter(([[{ actor }]]) => actor), []);
}

async function refusals()
{
	const order = await Order.create({ customer_id: 7, price: 10 });
	const { order_id } = order;
	const said = await refusal(order.update({ status: 'completed' }), error => [error.name, error.original.code, error.original.column, error.original.hint]);

	check('an illegal move', said, ['SequelizeDatabaseError', 'OP001', 'status', 'From "pending" it may go to "authorized", "paid", "cancelled", "expired".']);
	check('a status that is none', await refusal(Order.update({ status: 'sent' }, { where: { order_id } }), sqlstate), '22P02');
	check('a derived column', await refusal(Order.update({ paid_amount: 5 }, { where: { order_id } }), sqlstate), 'OP003');
	check('increment() of one', await refusal(Order.increment('version', { where: { order_id } }), sqlstate), 'OP003');
	check('an outcome, by the application', await refusal(Payment.create({ order_id, gateway: 'acme', amount: 10, status: 'succeeded' }), sqlstate), 'OP004');
	const first = await createPayment(order_id, 10, 'checkout');
	check('a payment that is asked for twice is one', [await createPayment(order_id, '10.00', 'checkout'), first.status], [first, 'created']);
	check('another request under that key', await refusal(createPayment(order_id, 9, 'checkout'), sqlstate), 'OP002');
	check('a second attempt beside it', await refusal(Payment.create({ order_id, gateway: 'acme', amount: 10 }), error => [error instanceof UniqueConstraintError, error.original.constraint]),
		[true, 'payments_one_live_attempt_idx']);
	check('a gateway that is not there', await refusal(Payment.create({ order_id: (await Order.create({ price: 1 })).order_id, gateway: 'nobody', amount: 1 }), error => error instanceof ForeignKeyConstraintError), true);
	check('destroy()', await refusal(Payment.destroy({ where: { order_id } }), sqlstate), '42501');
}

await objects();
await queries();
await transactions();
await refusals();
await app.close();
await gateway.close();
done();
