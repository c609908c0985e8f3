import java.io.StringReader;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/**
 * A shop by way of JDBC: statuses as strings and as arrays, statements that the server keeps prepared, binary results, batches,
 * savepoints, COPY, updatable results, and what is refused.
 *
 * Prints a line for each check, "ok" or "not ok" and its name, at last how many they were. The server and the database are those of
 * the PG* variables; it has a store `shop` as the README makes it.
 */
public class Shop {
    private static int checks;
    private static Connection app;
    private static Connection gateway;

    private static void check(String name, Object got, Object wanted) {
        checks++;
        if (Objects.equals(got, wanted)) {
            System.out.println("ok " + name);
        } else {
            System.out.println("not ok " + name + "\n# got " + got + ", wanted " + wanted);
        }
    }

    private interface Action {
        void run() throws SQLException;
    }

    /** The SQLSTATE of what is refused. */
    private static String refusal(Action action) {
        try {
            action.run();
        } catch (SQLException error) {
            return error.getSQLState();
        }
        return null;
    }

    private static Connection connect(String user, String options) throws SQLException {
        String socket = System.getenv("PGHOST") + "/.s.PGSQL." + System.getenv("PGPORT");
        return DriverManager.getConnection("jdbc:postgresql://localhost/" + System.getenv("PGDATABASE") + "?user=" + user
            + "&currentSchema=shop,order_payment&sslmode=disable&gssEncMode=disable&socketFactory=UnixSocketFactory&socketFactoryArg=" + socket + options);
    }

    /** A prepared statement with those parameters. */
    private static PreparedStatement prepare(Connection connection, String sql, Object... parameters) throws SQLException {
        PreparedStatement statement = connection.prepareStatement(sql);
        for (int i = 0; i < parameters.length; i++) {
            if (parameters[i] instanceof String) {
                statement.setString(i + 1, (String) parameters[i]);
            } else {
                statement.setObject(i + 1, parameters[i]);
            }
        }
        return statement;
    }

    private static int update(Connection connection, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = prepare(connection, sql, parameters)) {
            return statement.executeUpdate();
        }
    }

    /** The first row, its columns with "|" between them; null if there is none. */
    private static String query(Connection connection, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = prepare(connection, sql, parameters); ResultSet result = statement.executeQuery()) {
            if (!result.next()) {
                return null;
            }
            List<String> row = new ArrayList<>();
            for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) {
                row.add(result.getString(i));
            }
            return String.join("|", row);
        }
    }

    private static long newOrder(int price) throws SQLException {
        return Long.parseLong(query(app, "INSERT INTO orders (customer_id, price, status) VALUES (?, ?, ?) RETURNING order_id", 7, price, "pending"));
    }

    private static long paidOrder(int price) throws SQLException {
        long order = newOrder(price);
        update(gateway, "INSERT INTO payments (order_id, gateway, amount, status) VALUES (?, 'acme', ?, ?)", order, price, "succeeded");
        return order;
    }

    private static String status(long order) throws SQLException {
        return query(app, "SELECT status FROM orders WHERE order_id = ?", order);
    }

    private static void parameters() throws SQLException {
        try (PreparedStatement insert = app.prepareStatement("INSERT INTO orders (customer_id, quantity, price, status) VALUES (?, ?, ?, ?)",
                new String[] {"order_id", "status", "total_amount", "created_at"})) {
            insert.setLong(1, 7);
            insert.setInt(2, 2);
            insert.setBigDecimal(3, new BigDecimal("19.90"));
            insert.setString(4, "pending");
            insert.executeUpdate();
            try (ResultSet keys = insert.getGeneratedKeys()) {
                keys.next();
                check("generated keys", keys.getLong(1) > 0 && keys.getObject(4, OffsetDateTime.class) != null, true);
                check("and what the server keeps", keys.getString(2) + " " + keys.getBigDecimal(3), "pending 39.80");
                Object status = keys.getObject(2);
                check("a status as an object", status instanceof PGobject ? ((PGobject) status).getValue() : status, "pending");
            }
        }
        long order = newOrder(10);
        check("setString() writes a status", update(app, "UPDATE orders SET status = ? WHERE order_id = ?", "cancelled", order), 1);
        check("it is there", status(order), "cancelled");

        // A string is a varchar, for which there is no operator; an enum is no different.
        check("setString() wants a cast to be compared", refusal(() -> query(app, "SELECT FROM orders WHERE status = ?", "pending")), "42883");
        check("and has it", query(app, "SELECT count(*) FROM orders WHERE order_id = ? AND status = ?::order_status", order, "cancelled"), "1");
        try (PreparedStatement select = app.prepareStatement("SELECT count(*) FROM orders WHERE order_id = ? AND status = ?")) {
            select.setLong(1, order);
            select.setObject(2, "cancelled", Types.OTHER);
            try (ResultSet result = select.executeQuery()) {
                result.next();
                check("Types.OTHER wants none", result.getInt(1), 1);
            }
            PGobject status = new PGobject();
            status.setType("order_status");
            status.setValue("cancelled");
            select.setObject(2, status);
            try (ResultSet result = select.executeQuery()) {
                result.next();
                check("nor does a PGobject", result.getInt(1), 1);
            }
        }
        try (Connection unspecified = connect("shop_app", "&stringtype=unspecified")) {
            check("nor does a string, with stringtype=unspecified", query(unspecified, "SELECT count(*) FROM orders WHERE order_id = ? AND status = ?", order, "cancelled"), "1");
        }
        check("NULL for a status", refusal(() -> update(app, "UPDATE orders SET status = ? WHERE order_id = ?", null, order)), "23502");
        check("a status that is none", refusal(() -> update(app, "UPDATE orders SET status = ? WHERE order_id = ?", "sent", order)), "22P02");
    }

    private static void arrays() throws SQLException {
        long order = paidOrder(10);
        String[] open = {"paid", "shipped"};
        for (String type : new String[] {"order_status", "order_payment.order_status", "varchar"}) {
            Array array = app.createArrayOf(type, open);
            check("createArrayOf(" + type + ")", query(app, "SELECT count(*) FROM orders WHERE order_id = ? AND status = ANY (?::order_status[])", order, array), "1");
        }
        Array array = app.createArrayOf("order_status", open);
        check("of its own type it wants no cast", query(app, "SELECT count(*) FROM orders WHERE order_id = ? AND status = ANY (?)", order, array), "1");
        try (Statement statement = app.createStatement();
                ResultSet result = statement.executeQuery("SELECT array_agg(DISTINCT status ORDER BY status) FROM (VALUES ('shipped'::order_status), ('paid')) v (status)")) {
            result.next();
            check("getArray()", Arrays.toString((Object[]) result.getArray(1).getArray()), "[paid, shipped]");
        }
    }

    /** A statement that the server keeps, with results in binary, until its plan is a generic one. */
    private static void prepared() throws SQLException {
        check("prepareThreshold, binaryTransfer", app.unwrap(PGConnection.class).getPrepareThreshold(), 1);
        StringBuilder seen = new StringBuilder();
        boolean kept = true;
        long order = paidOrder(10);
        try (PreparedStatement select = app.prepareStatement(
                "SELECT order_id, status, paid_amount, paid_at, version FROM orders WHERE order_id = ? AND status = ?::order_status")) {
            for (int i = 0; i < 12; i++) {
                select.setLong(1, order);
                select.setString(2, i % 2 == 0 ? "paid" : "shipped");
                try (ResultSet result = select.executeQuery()) {
                    while (result.next()) {
                        seen.append(result.getString("status")).append(' ').append(result.getBigDecimal("paid_amount").stripTrailingZeros().toPlainString()).append(' ')
                            .append(result.getInt("version")).append(result.getObject("paid_at", OffsetDateTime.class) != null ? ", " : "? ");
                    }
                }
            }
            kept = "t".equals(query(app, "SELECT bool_or(generic_plans > 0 AND NOT from_sql) FROM pg_prepared_statements WHERE statement LIKE 'SELECT order_id, status, paid_amount%'"));
        }
        check("prepared: every second time it is there", seen.toString(), "paid 10 3, ".repeat(6));
        check("prepared: by a statement of the server, with a generic plan", kept, true);
    }

    private static void batches() throws SQLException {
        List<Long> orders = new ArrayList<>();
        try (PreparedStatement insert = app.prepareStatement("INSERT INTO orders (customer_id, price, status) VALUES (?, ?, ?)", new String[] {"order_id"})) {
            for (int i = 1; i <= 20; i++) {
                insert.setLong(1, 77);
                insert.setInt(2, i);
                insert.setString(3, "pending");
                insert.addBatch();
            }
            check("a batch of orders", Arrays.stream(insert.executeBatch()).sum(), 20);
            try (ResultSet keys = insert.getGeneratedKeys()) {
                while (keys.next()) {
                    orders.add(keys.getLong(1));
                }
            }
        }
        check("with all their keys", orders.stream().distinct().count(), 20L);
        try (Connection rewriting = connect("shop_app", "&reWriteBatchedInserts=true");
                PreparedStatement insert = rewriting.prepareStatement("INSERT INTO orders (customer_id, price, status) VALUES (?, ?, ?)")) {
            for (int i = 0; i < 20; i++) {
                insert.setLong(1, 78);
                insert.setInt(2, i);
                insert.setString(3, "pending");
                insert.addBatch();
            }
            insert.executeBatch();
            check("reWriteBatchedInserts", query(rewriting, "SELECT count(*) FROM orders WHERE customer_id = ? AND status = ?::order_status", 78, "pending"), "20");
        }

        app.setAutoCommit(false);
        try (PreparedStatement move = app.prepareStatement("UPDATE orders SET status = ? WHERE order_id = ?")) {
            for (long order : orders) {
                // the last of them may not
                move.setString(1, order == orders.get(19) ? "shipped" : "cancelled");
                move.setLong(2, order);
                move.addBatch();
            }
            BatchUpdateException refused = null;
            try {
                move.executeBatch();
            } catch (BatchUpdateException error) {
                refused = error;
            }
            check("a batch of which one is refused", refused == null ? null : refused.getSQLState(), "OP001");
            check("it says so", refused != null && Arrays.stream(refused.getUpdateCounts()).anyMatch(n -> n == Statement.EXECUTE_FAILED), true);
        }
        app.rollback();
        app.setAutoCommit(true);
        check("nothing was done", query(app, "SELECT count(*) FROM orders WHERE customer_id = 77 AND status = 'pending'"), "20");
    }

    private static void transactions() throws SQLException {
        long order = newOrder(10);
        app.setAutoCommit(false);
        query(app, "SELECT set_config('order_payment.actor', ?, true)", "alice");
        Savepoint savepoint = app.setSavepoint();
        update(app, "UPDATE orders SET price = 11 WHERE order_id = ?", order);
        check("refused in a transaction", refusal(() -> update(app, "UPDATE orders SET status = ? WHERE order_id = ?", "shipped", order)), "OP001");
        check("which is then no more use", refusal(() -> status(order)), "25P02");
        app.rollback(savepoint);
        check("but back to the savepoint", query(app, "SELECT price, status FROM orders WHERE order_id = ? FOR NO KEY UPDATE", order), "10|pending");
        update(app, "UPDATE orders SET status = ? WHERE order_id = ?", "cancelled", order);
        app.commit();
        app.setAutoCommit(true);
        check("what came after it stands, with its actor", query(app, "SELECT actor, to_status FROM order_events WHERE order_id = ? ORDER BY version DESC LIMIT 1", order), "alice|cancelled");
        check("who is forgotten", query(app, "SELECT current_setting('order_payment.actor')"), "");

        try (Connection autosave = connect("shop_app", "&autosave=always")) {
            autosave.setAutoCommit(false);
            long another = newOrder(10);
            check("autosave: refused", refusal(() -> update(autosave, "UPDATE orders SET status = ? WHERE order_id = ?", "shipped", another)), "OP001");
            update(autosave, "UPDATE orders SET status = ? WHERE order_id = ?", "cancelled", another);
            autosave.commit();
            check("autosave: and the transaction goes on", status(another), "cancelled");
        }
    }

    private static void results() throws Exception {
        long order = paidOrder(10);
        try (Statement statement = app.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
                ResultSet result = statement.executeQuery("SELECT order_id, status, payment_method FROM orders WHERE order_id = " + order)) {
            result.next();
            result.updateString("status", "shipped");
            result.updateString("payment_method", "card");
            result.updateRow();
            result.refreshRow();
            check("an updatable result", result.getString("status"), "shipped");
            check("an updatable result, refused", refusal(() -> {
                result.updateString("status", "pending");
                result.updateRow();
            }), "OP001");
        }
        check("as the row says", query(app, "SELECT status, payment_method FROM orders WHERE order_id = ?", order), "shipped|card");

        long n = app.unwrap(PGConnection.class).getCopyAPI().copyIn("COPY orders (customer_id, price, status) FROM STDIN (FORMAT csv)", new StringReader("79,1.00,pending\n79,2.00,pending\n"));
        check("COPY", n + " " + query(app, "SELECT sum(total_amount) FROM orders WHERE customer_id = 79"), "2 3.00");
        String refused = null;
        try {
            app.unwrap(PGConnection.class).getCopyAPI().copyIn("COPY orders (customer_id, price, status) FROM STDIN (FORMAT csv)", new StringReader("79,1.00,completed\n"));
        } catch (SQLException error) {
            refused = error.getSQLState();
        }
        check("COPY, refused", refused, "OP001");
    }

    private static void refusals() throws SQLException {
        long order = newOrder(10);
        ServerErrorMessage said = null;
        try {
            update(app, "UPDATE orders SET status = ? WHERE order_id = ?", "completed", order);
        } catch (PSQLException error) {
            said = error.getServerErrorMessage();
        }
        check("an illegal move: what it says", said == null ? null : said.getSQLState() + " " + said.getMessage(), "OP001 \"pending\" may not become \"completed\"");
        check("of which column", said == null ? null : said.getSchema() + " " + said.getTable() + " " + said.getColumn(), "shop orders status");
        check("and where it may go", said == null ? null : said.getHint(), "From \"pending\" it may go to \"authorized\", \"paid\", \"cancelled\", \"expired\".");
        check("a derived column", refusal(() -> update(app, "UPDATE orders SET paid_amount = ? WHERE order_id = ?", 5, order)), "OP003");
        check("an outcome, by the application", refusal(() -> update(app, "INSERT INTO payments (order_id, gateway, amount, status) VALUES (?, 'acme', 10, ?)", order, "succeeded")), "OP004");

        String pay = "SELECT payment_id, status FROM create_payment(?, ?, ?, request_key => ?)";
        String first = query(app, pay, order, "acme", new BigDecimal(10), "checkout");
        check("a payment that is asked for twice is one", query(app, pay, order, "acme", new BigDecimal("10.00"), "checkout"), first);
        check("it is created", first.endsWith("|created"), true);
        check("also by the number as text", query(app, pay, String.valueOf(order), "acme", new BigDecimal(10), "checkout"), first);
        check("another request under that key", refusal(() -> query(app, pay, order, "acme", new BigDecimal(9), "checkout")), "OP002");
        UUID payment = UUID.fromString(first.split("\\|")[0]);
        check("a UUID", update(gateway, "UPDATE payments SET status = ? WHERE order_id = ? AND payment_id = ?", "succeeded", order, payment), 1);
        check("its success pays the order", status(order), "paid");
        check("too much is asked back", refusal(() -> update(app, "INSERT INTO refunds (order_id, payment_id, amount) VALUES (?, ?, ?)", order, payment, 11)), "OP005");
        check("a constraint", refusal(() -> update(app, "INSERT INTO payments (order_id, gateway, amount) VALUES (?, 'nobody', 1)", order)), "23503");
    }

    public static void main(String[] arguments) throws Exception {
        app = connect("shop_app", "&prepareThreshold=1&binaryTransfer=true");
        gateway = connect("shop_gateway", "");
        parameters();
        arrays();
        prepared();
        batches();
        transactions();
        results();
        refusals();
        app.close();
        gateway.close();
        System.out.println("done " + checks);
    }
}
