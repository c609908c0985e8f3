#!/usr/bin/env python3
"""
Cards by way of drivers: psycopg 3 and psycopg2, with the parameters, batches and
COPY that they have, and the statements that ORMs write.

Prints a line for each check, "ok" or "not ok" and its name; the server is that of
the PG* variables, the database is prepared by the test that calls this.
"""
import io
import sys

import psycopg
import psycopg2
import psycopg2.extras

# they share their last four digits, so that their masks are alike
A, B, C = '4242424242424242', '4000000000024242', '4000000000104242'
MASK = '************4242'
COLUMNS = ['id', 'email', 'number', 'holder', 'note']
ALL = COLUMNS + ['number_sealed', 'holder_sealed', 'fingerprint']

three = psycopg.connect(autocommit=True, prepare_threshold=0)
two = psycopg2.connect('')
two.autocommit = True


def check(name, got, wanted):
    print(('ok ' if got == wanted else 'not ok ') + name)
    if got != wanted:
        print(f'# got {got!r}, wanted {wanted!r}')
    sys.stdout.flush()


def opened(ids):
    """The card of each row in clear, and whether its fingerprint is that of its number."""
    return three.execute("""
        SELECT p.id, o.number, order_payment.reveal(p.holder_sealed, b),
               p.number = %s AND p.fingerprint = ANY (order_payment.card_fingerprints(o.number))
        FROM purse p, order_payment.binding('purse', p.id) b, LATERAL (SELECT order_payment.reveal(p.number_sealed, b) AS number) o
        WHERE p.id = ANY (%s) ORDER BY p.id""", [MASK, ids]).fetchall()


def refusal(execute, *arguments):
    """The SQLSTATE of what fails."""
    try:
        execute(*arguments)
    except (psycopg.Error, psycopg2.Error) as error:
        return getattr(error, 'sqlstate', None) or error.pgcode
    return None


def start(*ids):
    """Rows with card A."""
    three.execute('DELETE FROM purse')
    for row in ids:
        three.execute('INSERT INTO purse (id, email, number, holder) VALUES (%s, %s, %s, %s)', [row, f'{row}@x', A, 'Ann Lee'])


def quoted(columns, prefix=''):
    return ', '.join(f'{prefix}"{c}"' for c in columns)


def from_excluded(columns):
    return ', '.join(f'"{c}" = EXCLUDED."{c}"' for c in columns)


def places(columns, style='%s'):
    return '(' + ', '.join([style] * len(columns)) + ')'


# ---------- parameters ----------

def parameters():
    for name, style in (('text', '%t'), ('binary', '%b'), ('as the driver likes', '%s')):
        start()
        three.execute(f'INSERT INTO purse (id, number, holder) VALUES (%s, {style}, {style})', [1, A, 'Ann Lee'])
        three.execute(f'UPDATE purse SET number = {style}, holder = {style} WHERE id = 1', [B, 'Amy Lee'])
        three.execute('UPDATE purse SET note = %s WHERE id = 1', ['seen'])
        check(f'psycopg 3, parameters: {name}', opened([1]), [(1, B, 'Amy Lee', True)])

    # one that is prepared, until its plan is a generic one
    start()
    for n in range(12):
        three.execute('INSERT INTO purse (id, number, holder) VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number, holder = EXCLUDED.holder',
                      [1, (A, B, C)[n % 3], f'Holder {n}'], prepare=True)
    check('psycopg 3, prepared: the last card', opened([1]), [(1, C, 'Holder 11', True)])

    start()
    with three.cursor() as cursor:
        cursor.executemany('INSERT INTO purse (id, number, holder) VALUES (%s, %s, %s)', [(n, (A, B, C)[n % 3], f'Holder {n}') for n in range(20)])
        cursor.executemany('UPDATE purse SET number = %s WHERE id = %s', [((B, C, A)[n % 3], n) for n in range(20)])
    check('psycopg 3, executemany', opened(list(range(20))), [(n, (B, C, A)[n % 3], f'Holder {n}', True) for n in range(20)])
    with three.pipeline(), three.transaction():
        for n in range(20):
            three.execute('UPDATE purse SET note = %s WHERE id = %s', ['piped', n])
            three.execute('UPDATE purse SET number = %s WHERE id = %s', [A, n])
    check('psycopg 3, pipeline', opened(list(range(20))), [(n, A, f'Holder {n}', True) for n in range(20)])

    start()
    with two.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, 'INSERT INTO purse (id, number, holder) VALUES %s', [(n, B, f'Holder {n}') for n in range(20)])
        psycopg2.extras.execute_batch(cursor, 'UPDATE purse SET number = %s WHERE id = %s', [(C, n) for n in range(20)])
    check('psycopg2, execute_values, execute_batch', opened(list(range(20))), [(n, C, f'Holder {n}', True) for n in range(20)])


# ---------- COPY ----------

def copy():
    start()
    with three.cursor().copy('COPY purse (id, number, holder) FROM STDIN (FORMAT binary)') as stream:
        stream.set_types(['int8', 'text', 'text'])
        for n in range(10):
            stream.write_row((n, (A, B, C)[n % 3], f'Holder {n}'))
    wanted = [(n, (A, B, C)[n % 3], f'Holder {n}', True) for n in range(10)]
    check('psycopg 3, COPY of clear cards in binary', opened(list(range(10))), wanted)

    # there and back, sealed; a key is not needed for that
    before = three.execute('SELECT p::text FROM purse p ORDER BY id').fetchall()
    for form in ('binary', 'text', 'csv'):
        with three.cursor().copy(f'COPY purse TO STDOUT (FORMAT {form})') as stream:
            data = b''.join(bytes(part) for part in stream)
        check(f'COPY out, {form}: no clear number', any(number.encode() in data for number in (A, B, C)), False)
        three.execute('DELETE FROM purse')
        with three.cursor().copy(f'COPY purse FROM STDIN (FORMAT {form})') as stream:
            stream.write(data)
        check(f'COPY out and in, {form}: each row as it was', three.execute('SELECT p::text FROM purse p ORDER BY id').fetchall(), before)
        check(f'COPY out and in, {form}: cards open', opened(list(range(10))), wanted)

    start()
    with two.cursor() as cursor:
        cursor.copy_expert('COPY purse (id, number, holder) FROM STDIN (FORMAT csv, HEADER)', io.StringIO(f'id,number,holder\n1,"{B}",Bob\n2,{C},\n'))
    check('psycopg2, COPY of clear cards', opened([1, 2]), [(1, B, 'Bob', True), (2, C, None, True)])

    # a sealed value as a parameter, in both forms
    sealed = three.cursor(binary=True).execute('SELECT number_sealed FROM purse WHERE id = 1').fetchone()[0]
    check('a sealed value comes in binary', (type(sealed), sealed[:3]), (bytes, b'\x01\x01\x01'))


# ---------- statements of ORMs ----------

def row_of(row, number, columns, **more):
    values = {'id': row, 'email': f'{row}@x', 'number': number, 'holder': 'Amy Lee', 'note': 'saved', **more}
    return [values.get(c) for c in columns]


def upserts():
    """Each puts row 1, which is there, and row 2, which is not."""
    django = f'''INSERT INTO "purse" ({quoted(COLUMNS)}) VALUES {places(COLUMNS)}, {places(COLUMNS)}
        ON CONFLICT("id") DO UPDATE SET {from_excluded(COLUMNS[1:])} RETURNING "purse"."id"'''
    sqlalchemy = f'''INSERT INTO purse ({', '.join(COLUMNS)}) VALUES {places(COLUMNS)}, {places(COLUMNS)}
        ON CONFLICT (id) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in COLUMNS[1:])} RETURNING purse.id, purse.number'''
    sequelize = f'''INSERT INTO "purse" ({quoted(COLUMNS)}) VALUES {places(COLUMNS)}, {places(COLUMNS)}
        ON CONFLICT ("id") DO UPDATE SET {from_excluded(COLUMNS)} RETURNING {quoted(COLUMNS)}'''
    every_column = f'''INSERT INTO "purse" ({quoted(ALL)}) VALUES {places(ALL)}, {places(ALL)}
        ON CONFLICT ("id") DO UPDATE SET {from_excluded(ALL)} RETURNING *'''
    rails = f'''INSERT INTO "purse" ({quoted(COLUMNS)}) VALUES {places(COLUMNS)}, {places(COLUMNS)}
        ON CONFLICT ("id") DO UPDATE SET updated_at = (CASE WHEN ("purse"."number" IS NOT DISTINCT FROM excluded."number") THEN "purse".updated_at
        ELSE CURRENT_TIMESTAMP END), {', '.join(f'"{c}" = excluded."{c}"' for c in COLUMNS[1:])} RETURNING "id"'''
    hibernate = f'''MERGE INTO purse AS t USING (SELECT CAST(%s AS bigint), CAST(%s AS text), CAST(%s AS text), CAST(%s AS text), CAST(%s AS text)
        UNION ALL SELECT CAST(%s AS bigint), CAST(%s AS text), CAST(%s AS text), CAST(%s AS text), CAST(%s AS text)) AS s ({', '.join(COLUMNS)})
        ON t.id = s.id WHEN NOT MATCHED THEN INSERT ({', '.join(COLUMNS)}) VALUES ({quoted(COLUMNS, 's.')})
        WHEN MATCHED THEN UPDATE SET {', '.join(f'{c} = s.{c}' for c in COLUMNS[1:])}'''
    # without the column that it meets, and by another key
    by_email = '''INSERT INTO "purse" ("id", "email", "number", "holder") VALUES (10, %s, %s, %s), (2, %s, %s, %s)
        ON CONFLICT ("email") DO UPDATE SET "number" = EXCLUDED."number", "holder" = EXCLUDED."holder"'''
    statements = {
        'Django bulk_create': (django, COLUMNS), 'SQLAlchemy on_conflict_do_update': (sqlalchemy, COLUMNS),
        'Sequelize bulkCreate, Ecto replace_all': (sequelize, COLUMNS), 'every column': (every_column, ALL),
        'Rails upsert_all': (rails, COLUMNS), 'Hibernate merge': (hibernate, COLUMNS), 'by another key': (by_email, ['email', 'number', 'holder'])}

    for name, (statement, columns) in statements.items():
        for driver, connection in (('psycopg 3', three), ('psycopg2', two)):
            start(1)
            for one, other in ((B, A), (C, B), (C, C)):
                with connection.cursor() as cursor:
                    cursor.execute(statement, row_of(1, one, columns) + row_of(2, other, columns))
                check(f'{name}, {driver}: the new card, of the same last four digits', opened([1, 2]), [(1, one, 'Amy Lee', True), (2, other, 'Amy Lee', True)])

    # Prisma: parameters in both parts
    start(1)
    for row, number in ((1, B), (2, B), (2, C)):
        three.execute('INSERT INTO "purse" ("id", "number") VALUES (%s, %s) ON CONFLICT ("id") DO UPDATE SET "number" = %s WHERE ("purse"."id" = %s AND 1 = 1) RETURNING "id"',
                      [row, number, number, row])
    check('Prisma upsert', opened([1, 2]), [(1, B, 'Ann Lee', True), (2, C, None, True)])
    # JDBC binds varchar
    three.execute('UPDATE purse SET number = %s::varchar, holder = CAST(%s AS varchar(40)) WHERE id = 1', [C, 'Bob'])
    check('JDBC, varchar', opened([1]), [(1, C, 'Bob', True)])


def save():
    """An object is read, kept, and written back as a whole."""
    for name, columns in (('those it knows of', COLUMNS), ('all columns', ALL)):
        update = f'''UPDATE "purse" SET {', '.join(f'"{c}" = %s' for c in columns[1:])} WHERE "purse"."id" = %s'''

        def read():
            return list(three.execute(f'SELECT {quoted(columns)} FROM purse WHERE id = 1').fetchone())

        start(1)
        kept = read()
        kept[4] = 'changed'
        three.execute(update, kept[1:] + [1])
        check(f'save, {name}: the card stays', (opened([1]), read()), ([(1, A, 'Ann Lee', True)], kept))
        # somebody else has changed the card meanwhile, to one with the same mask; or to another, or to none
        three.execute('UPDATE purse SET number = %s WHERE id = 1', [B])
        if columns == COLUMNS:
            three.execute(update, kept[1:] + [1])
        else:
            check(f'save, {name}: an old sealed value is refused', refusal(three.execute, update, kept[1:] + [1]), 'OP003')
        check(f'save, {name}: the card is the new one', opened([1]), [(1, B, 'Ann Lee', True)])
        for number in ('5555555555554444', None):
            three.execute('UPDATE purse SET number = %s WHERE id = 1', [number])
            check(f'save, {name}: an old mask is refused', refusal(three.execute, update, kept[1:] + [1]), 'OP003')
        # an object with a new card, of which the server is to make the rest
        start(1)
        kept = read()
        kept[2] = B
        if columns == ALL:
            check(f'save, {name}: a new number, with the old sealed value beside it', refusal(three.execute, update, kept[1:] + [1]), None)
        else:
            three.execute(update, kept[1:] + [1])
        check(f'save, {name}: a new number', opened([1]), [(1, B, 'Ann Lee', True)])


parameters()
copy()
upserts()
save()
print('done')
