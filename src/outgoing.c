/*
 * outgoing.c
 *	  What stands for a secret in a request to a gateway, filled in; see outgoing.h.
 *
 * placeholder	{{name}}: request.sql writes it, and sees to it that nothing else
 *				looks like one
 *
 * A card is filled into JSON, so its texts are escaped as JSON wants it. What is
 * opened here is sent, and shown to nobody; so it needs no right to reveal(), but
 * it is recorded, and counts in the budget of the role that sends.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "card.h"
#include "gateway_secret.h"
#include "outgoing.h"
#include "reveal_log.h"
#include "sealed.h"
#include "signing.h"

#define OPENING	   "{{"
#define CLOSING	   "}}"
#define API_KEY	   "api_key"
#define CARD_LABEL "payments"

/* Appends what a placeholder stands for; false: it is not known by that name. */
typedef bool (*FillFunction)(const char *name, StringInfo filled, void *context);

/* A longer text is in new memory: what the old one held is wiped. */
static void
append_secret(StringInfo filled, const char *text, size_t size)
{
	StringInfoData longer;

	if (filled->len + (int) size < filled->maxlen)
	{
		appendBinaryStringInfo(filled, text, (int) size);
		return;
	}
	initStringInfo(&longer);
	enlargeStringInfo(&longer, 2 * filled->len + (int) size);
	appendBinaryStringInfo(&longer, filled->data, filled->len);
	appendBinaryStringInfo(&longer, text, (int) size);
	op_cleanse(filled->data, filled->len);
	pfree(filled->data);
	*filled = longer;
}

op_noreturn static void
refuse_placeholder(void)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("a request to a gateway has a placeholder that is not known")));
	pg_unreachable();
}

static char *
fill(const char *text, FillFunction function, void *context)
{
	StringInfoData filled;
	const char	  *begin;

	initStringInfo(&filled);
	while ((begin = strstr(text, OPENING)) != NULL)
	{
		const char *end = strstr(begin, CLOSING);
		const char *name = begin + strlen(OPENING);

		append_secret(&filled, text, begin - text);
		if (end == NULL)
			refuse_placeholder();
		if (!function(pnstrdup(name, end - name), &filled, context))
			refuse_placeholder();
		text = end + strlen(CLOSING);
	}
	append_secret(&filled, text, strlen(text));
	return filled.data;
}

/* ---------- the gateway's key ---------- */

/* An OpSecretUse. */
static bool
append_key(const OpGatewaySecret *secret, void *context)
{
	append_secret(context, (const char *) secret->secret.data, secret->secret.size);
	return true;
}

static bool
fill_key(const char *name, StringInfo filled, void *context)
{
	const OpOutgoing *outgoing = context;
	int				  n;

	if (strcmp(name, API_KEY) != 0)
		return false;
	if (!op_use_gateway_secrets(outgoing->store, outgoing->gateway, OP_SECRET_API_KEY, append_key,
								filled, &n))
		op_refuse_without_secret(OP_SECRET_API_KEY);
	return true;
}

char *
op_fill_header(const OpOutgoing *outgoing, const char *header)
{
	return fill(header, fill_key, (void *) outgoing);
}

/* ---------- a card ---------- */

typedef enum CardValue
{
	CARD_NUMBER,
	CARD_HOLDER,
	CARD_EXPIRY,
	CARD_NVALUES
} CardValue;

static const struct
{
	const char *name; /* of the placeholder */
	OpField		field;
} card_values[] = {
	[CARD_NUMBER] = {"card_number", OP_FIELD_NUMBER},
	[CARD_HOLDER] = {"card_holder", OP_FIELD_HOLDER},
	[CARD_EXPIRY] = {"card_expiry", OP_FIELD_EXPIRY},
};

StaticAssertDecl(lengthof(card_values) == CARD_NVALUES, "each value has a placeholder");

typedef struct Card
{
	OpSealed *sealed[CARD_NVALUES]; /* NULL: it has none */
	bytea	 *binding;
} Card;

#define SELECT_CARD \
	"SELECT card_number_sealed, card_holder_sealed, card_expiry_sealed FROM %s" \
	" WHERE order_id OPERATOR(pg_catalog.=) %s AND payment_id OPERATOR(pg_catalog.=) $1"

static void
read_card(const OpOutgoing *outgoing, Card *card)
{
	MemoryContext		memory = CurrentMemoryContext;
	const Oid			type = UUIDOID;
	const NullableDatum id = {
		DirectFunctionCall1(uuid_in, CStringGetDatum(outgoing->payment_id)), false};
	Datum value = id.value;
	char *select = psprintf(SELECT_CARD,
							quote_qualified_identifier(outgoing->store, "payments"),
							quote_literal_cstr(outgoing->order_id));

	card->binding = op_make_binding(CARD_LABEL, 1, &type, &id);
	SPI_connect();
	if (SPI_execute_with_args(select, 1, (Oid *) &type, &value, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the card of a payment");
	for (int i = 0; i < CARD_NVALUES; i++)
	{
		bool		  is_null = true;
		Datum		  sealed = (Datum) 0;
		MemoryContext spi;

		if (SPI_processed > 0)
			sealed =
				SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &is_null);
		spi = MemoryContextSwitchTo(memory);
		card->sealed[i] = is_null ? NULL : (OpSealed *) PG_DETOAST_DATUM_COPY(sealed);
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
}

static void
record_request(const OpEnvelope *envelope, const bytea *binding)
{
	op_record_reveal(&(OpReveal){.what = "request",
								 .field = op_fields[envelope->field].name,
								 .key_id = (int) envelope->key_id,
								 .bound_to = VARDATA_ANY(binding),
								 .bound_to_size = VARSIZE_ANY_EXHDR(binding),
								 .units = 1});
}

/* As it stands within the quotes of JSON. */
static void
append_plain(StringInfo filled, OpField field, const uint8 *plain, size_t size)
{
	text		  *shown = op_show_plain(field, plain, size);
	char		  *value = text_to_cstring(shown);
	StringInfoData json;

	initStringInfo(&json);
	enlargeStringInfo(&json, 6 * (int) strlen(value) + 3); /* \u0000 is the longest escape */
	escape_json(&json, value);
	append_secret(filled, json.data + 1, json.len - 2);
	op_cleanse(json.data, json.len);
	op_cleanse(value, strlen(value));
	op_cleanse(VARDATA_ANY(shown), VARSIZE_ANY_EXHDR(shown));
}

static void
append_opened(const OpSealed *sealed, OpField field, const bytea *binding, StringInfo filled)
{
	OpEnvelope envelope;
	uint8	   plain[OP_PLAIN_MAX];
	size_t	   size;

	if (!op_sealed_parse(sealed, &envelope))
		op_refuse_to_open();
	record_request(&envelope, binding);
	if (!op_open_sealed(sealed, field, op_varlena_bytes(binding), OP_OPEN_TO_SHOW, plain, &size))
		op_refuse_to_open();
	PG_TRY();
	{
		append_plain(filled, field, plain, size);
	}
	PG_FINALLY();
	{
		op_cleanse(plain, sizeof(plain));
	}
	PG_END_TRY();
}

static bool
fill_card(const char *name, StringInfo filled, void *context)
{
	const Card *card = context;

	for (int i = 0; i < CARD_NVALUES; i++)
	{
		if (strcmp(name, card_values[i].name) != 0 || card->sealed[i] == NULL)
			continue;
		append_opened(card->sealed[i], card_values[i].field, card->binding, filled);
		return true;
	}
	return false;
}

char *
op_fill_body(const OpOutgoing *outgoing, const char *body)
{
	Card card;

	read_card(outgoing, &card);
	return fill(body, fill_card, &card);
}

char *
op_sign_body(const OpOutgoing *outgoing, const char *id, const char *moment, const char *body)
{
	char		  *utf8 = pg_server_to_any(body, (int) strlen(body), PG_UTF8);
	StringInfoData message;
	char		  *signature;

	initStringInfo(&message);
	enlargeStringInfo(&message, (int) (strlen(id) + strlen(moment) + strlen(utf8)) + 3);
	appendStringInfo(&message, "%s.%s.%s", id, moment, utf8);
	signature = op_sign_message(outgoing->store, outgoing->gateway, OP_SECRET_STANDARD_WEBHOOK,
								(OpBytes){(const uint8 *) message.data, (size_t) message.len});
	op_cleanse(message.data, message.len);
	if (utf8 != body)
		op_cleanse(utf8, strlen(utf8));
	return signature;
}
