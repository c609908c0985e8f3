/*
 * check_slot.c
 *	  How many payment passwords the whole server checks at once.
 *
 * slot		the right to run scrypt, which takes 16 MiB: there are so many as
 *			order_payment.password_checks says. It is a lock of PostgreSQL's own
 *			lock manager, on an object that no statement can name: so nobody can
 *			sit on it, it is free when its backend has died, and pg_locks shows it
 *			(locktype object, classid pg_extension, objid 0, objsubid the slot)
 * share	the right of an owner of stores to one more slot: all but one. Else
 *			whoever makes a table that looks like a store's, with a trigger that
 *			sleeps, would keep every shop from its passwords (objid the owner)
 */
#include "postgres.h"

#include "catalog/pg_extension.h"
#include "storage/lock.h"

#include "check_slot.h"
#include "errors.h"
#include "settings.h"

static LOCKTAG
tag_of(Oid owner, int n)
{
	LOCKTAG tag;

	/* in no database, of no extension: DDL locks neither */
	SET_LOCKTAG_OBJECT(tag, InvalidOid, ExtensionRelationId, owner, n + 1);
	return tag;
}

/* The first that is free, or -1. An error on the way to its release releases it, as any lock. */
static int
take_one(Oid owner, int count)
{
	for (int n = 0; n < count; n++)
	{
		LOCKTAG tag = tag_of(owner, n);

		if (LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
			return n;
	}
	return -1;
}

OpCheckSlot
op_take_check_slot(Oid owner)
{
	OpCheckSlot result = {.owner = owner};

	result.share = take_one(owner, Max(op_password_checks - 1, 1));
	result.slot = result.share < 0 ? -1 : take_one(InvalidOid, op_password_checks);
	if (result.slot >= 0)
		return result;
	ereport(ERROR,
			(errcode(ERRCODE_OP_TOO_BUSY), errmsg("too many payment passwords are being checked"),
			 errdetail("The setting order_payment.password_checks allows %d at once, each of which takes 16 MiB of memory; and one less for the stores of one owner.",
					   op_password_checks),
			 errhint("Try again in a moment: nothing was charged. If it happens often, raise the setting."),
			 errhidestmt(true), errhidecontext(true)));
}

void
op_release_check_slot(const OpCheckSlot *slot)
{
	LOCKTAG share = tag_of(slot->owner, slot->share);
	LOCKTAG tag = tag_of(InvalidOid, slot->slot);

	LockRelease(&tag, ExclusiveLock, false);
	LockRelease(&share, ExclusiveLock, false);
}
