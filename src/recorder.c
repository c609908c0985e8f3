/*
 * recorder.c
 *	  Who may record what a gateway or a bank has done.
 *
 * outcome	a status that only the other side can know: authorized, succeeded,
 *			failed ...; and figures that it tells, such as fees
 *
 * Rights on the tables are the same for applications and gateways, so that
 * programs which name every column work. Who may record outcomes is told by
 * one more privilege: UPDATE on the column status itself. It is granted and
 * revoked by the owner as any other, seen by \dp, and dumped with the table.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "errors.h"
#include "recorder.h"

Oid
op_owner_of(Oid table)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid		  result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	result = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return result;
}

bool
op_may_record(Oid table)
{
	AttrNumber status = get_attnum(table, "status");

	return (status != InvalidAttrNumber &&
			pg_attribute_aclcheck(table, status, GetUserId(), ACL_UPDATE) == ACLCHECK_OK) ||
		   has_privs_of_role(GetUserId(), op_owner_of(table));
}

void
op_refuse_record(Relation rel, AttrNumber column, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OP_MAY_NOT_RECORD),
			 errmsg("%s", what),
			 errdetail("Role \"%s\" has no privilege UPDATE (status) on the table that records it.",
					   GetUserNameFromId(GetUserId(), false)),
			 errhint("%s", hint),
			 errtablecol(rel, column)));
	pg_unreachable();
}
