/*
 * store.c
 *	  Which store does the caller mean?
 *
 * A store is a schema with the tables that create_store() made. Its orders are
 * known by their trigger, not by the name alone.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "order.h"
#include "trigger_call.h"

PG_FUNCTION_INFO_V1(op_current_store);
Datum
op_current_store(PG_FUNCTION_ARGS)
{
	Oid		 orders = RelnameGetRelid("orders");
	Relation rel;
	Name	 store;

	if (!OidIsValid(orders))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("no store on the search_path"),
				 errhint("Name the store in the call, SET search_path to it, or make one by order_payment.create_store().")));
	rel = relation_open(orders, AccessShareLock);
	if (!op_has_trigger(rel, op_maintain_order))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s.%s\" is not the orders of a store",
						get_namespace_name(RelationGetNamespace(rel)),
						RelationGetRelationName(rel)),
				 errhint("Name the store in the call, or SET search_path to it.")));
	store = (Name) palloc0(NAMEDATALEN);
	namestrcpy(store, get_namespace_name(RelationGetNamespace(rel)));
	relation_close(rel, AccessShareLock);
	PG_RETURN_NAME(store);
}
