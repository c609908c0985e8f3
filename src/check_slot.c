/*
 * check_slot.c
 *	  How many payment passwords the whole server checks at once.
 *
 * slot		the right to run scrypt, which takes 16 MiB: there are so many as
 *			order_payment.password_checks says. It is a lock of PostgreSQL's own
 *			lock manager, on an object that no statement can name: so nobody can
 *			sit on it, it is free when its backend has died, and pg_locks shows it
 *			(locktype object, classid pg_extension, objid 0, objsubid the slot)
 */
#include "postgres.h"

#include "catalog/pg_extension.h"
#include "storage/lock.h"

#include "check_slot.h"
#include "errors.h"
#include "settings.h"

static LOCKTAG
slot_tag(int slot)
{
	LOCKTAG tag;

	/* in no database, of no extension: DDL locks neither */
	SET_LOCKTAG_OBJECT(tag, InvalidOid, ExtensionRelationId, InvalidOid, slot + 1);
	return tag;
}

/* An error on the way to its release releases it, as any lock. */
int
op_take_check_slot(void)
{
	for (int slot = 0; slot < op_password_checks; slot++)
	{
		LOCKTAG tag = slot_tag(slot);

		if (LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
			return slot;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OP_TOO_BUSY), errmsg("too many payment passwords are being checked"),
			 errdetail("The setting order_payment.password_checks allows %d at once, each of which takes 16 MiB of memory.",
					   op_password_checks),
			 errhint("Try again in a moment: nothing was charged. If it happens often, raise the setting."),
			 errhidestmt(true), errhidecontext(true)));
}

void
op_release_check_slot(int slot)
{
	LOCKTAG tag = slot_tag(slot);

	LockRelease(&tag, ExclusiveLock, false);
}
