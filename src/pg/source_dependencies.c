/*
 * What a source reads: the relations and columns of its query as analysed, by name, so that they are still the same
 * after a dump and restore.
 *
 * Views are named themselves, not the tables below them: the server guards those.  What functions in the query
 * read is not seen.
 */
#include "pg/source.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The columns read of one relation. */
typedef struct Dependency
{
	Oid			relation;
	Bitmapset  *columns;		/* offset by FirstLowInvalidHeapAttributeNumber */
} Dependency;

/* Add the columns of a relation. */
static List *
add_columns(List *dependencies, Oid relation, const Bitmapset *columns)
{
	ListCell   *cell;
	Dependency *added;

	foreach(cell, dependencies)
	{
		Dependency *dependency = lfirst(cell);

		if (dependency->relation == relation)
		{
			dependency->columns = bms_add_members(dependency->columns, columns);
			return dependencies;
		}
	}
	added = palloc(sizeof(Dependency));
	added->relation = relation;
	added->columns = bms_copy(columns);
	return lappend(dependencies, added);
}

/* Collect what a query reads, and the queries in it. */
static bool
collect_walker(Node *node, void *context)
{
	List	  **dependencies = context;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *cell;

		foreach(cell, query->rtable)
		{
			RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

			if (entry->rtekind == RTE_RELATION && get_rel_persistence(entry->relid) != RELPERSISTENCE_TEMP)
				*dependencies = add_columns(*dependencies, entry->relid, compat_selected_columns(query, entry));
		}
		return query_tree_walker(query, collect_walker, context, 0);
	}
	return expression_tree_walker(node, collect_walker, context);
}

/* Append the names of columns: all of them for a whole row. */
static void
append_columns(StringInfo json, const Dependency *dependency)
{
	bool		whole = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, dependency->columns);
	Relation	relation = relation_open(dependency->relation, NoLock); /* the analysis locked it */
	TupleDesc	desc = RelationGetDescr(relation);
	const char *separator = "";

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped ||
			(!whole && !bms_is_member(column->attnum - FirstLowInvalidHeapAttributeNumber, dependency->columns)))
			continue;
		appendStringInfoString(json, separator);
		escape_json(json, NameStr(column->attname));
		separator = ", ";
	}
	relation_close(relation, NoLock);
}

/* The relations and columns that a scan of columns reads. */
char *
source_dependencies(Source *source, const int *columns, int ncolumns)
{
	List	   *dependencies = NIL;
	StringInfoData json;
	ListCell   *cell;

	collect_walker((Node *) source_query(source, columns, ncolumns), &dependencies);
	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	foreach(cell, dependencies)
	{
		const Dependency *dependency = lfirst(cell);

		appendStringInfoString(&json, json.len > 1 ? ", {\"schema\": " : "{\"schema\": ");
		escape_json(&json, get_namespace_name(get_rel_namespace(dependency->relation)));
		appendStringInfoString(&json, ", \"relation\": ");
		escape_json(&json, get_rel_name(dependency->relation));
		appendStringInfoString(&json, ", \"columns\": [");
		append_columns(&json, dependency);
		appendStringInfoString(&json, "]}");
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}
