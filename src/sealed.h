/*
 * sealed.h
 *	  The type sealed, and sealing and opening for the rest of the extension.
 *
 * bound_to		the bytes without which a value does not open: which row it
 *				belongs to, by binding() or by the trigger of a card
 */
#ifndef OP_SEALED_H
#define OP_SEALED_H

#include "compat.h"
#include "envelope.h"
#include "keyring.h"

typedef struct varlena OpSealed;

#define DatumGetSealedPP(d)	  ((OpSealed *) PG_DETOAST_DATUM_PACKED(d))
#define SealedPGetDatum(x)	  PointerGetDatum(x)
#define PG_GETARG_SEALED_P(n) DatumGetSealedPP(PG_GETARG_DATUM(n))
#define PG_RETURN_SEALED_P(x) return SealedPGetDatum(x)

static inline OpBytes
op_varlena_bytes(const struct varlena *value)
{
	return (OpBytes){(const uint8 *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* The parts of a stored value. False if it is none that we could have written. */
static inline bool
op_sealed_parse(const OpSealed *sealed, OpEnvelope *envelope)
{
	return op_envelope_parse(op_varlena_bytes(sealed), envelope);
}

/*
 * Seals under the active key, and palloc's the result; OP013 if there is none,
 * 22001 if it is too long.
 */
extern OpSealed *op_seal_bytes(OpField field, OpBytes bound_to, OpBytes plain);

/*
 * Opens. The plaintext is in `plain`, with room for OP_PLAIN_MAX, and the caller
 * cleanses it. False if it does not open, for whatever reason; the one error for
 * that is op_refuse_to_open().
 */
extern bool op_open_sealed(const OpSealed *sealed, OpField field, OpBytes bound_to,
						   OpOpening opening, uint8 *plain, size_t *size);

op_noreturn extern void op_refuse_to_open(void);

/* The input function of the type, by which it is known. */
extern Datum op_sealed_in(PG_FUNCTION_ARGS);

/*
 * The bytes of a label and n key values, each with its length, so that no two
 * rows share them: integers as eight bytes, a uuid as sixteen, text in UTF-8.
 * Other types and NULLs are refused.
 */
extern bytea *op_make_binding(const char *label, int n, const Oid *types,
							  const NullableDatum *values);

/* Is the type of a key column one that op_make_binding() takes? */
extern bool op_binds(Oid type);

#endif
