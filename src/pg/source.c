/*
 * A source's way from text to rows.
 *
 * A text that is a chain of identifiers names a relation; anything else must be one
 * SELECT.  Either becomes one item of a FROM list, and "SELECT targets FROM item AS
 * source" is built around it as a raw parse tree, analysed, rewritten, planned and run
 * like any statement of the caller: rights, row-level security, views and locks are the
 * server's business.  No tree outlives a run, since analysis scribbles on raw trees and
 * the catalog may change between two runs.
 *
 * Errors about a place in the text are reported as an internal query, as functions in SQL do:
 * the client's own position means the statement that called us.
 */
#include "pg/source.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "parser/scansup.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "pg/compat.h"
#include "pg/host.h"
#include "pg/progress.h"

static RangeVar *parse_relation_name(const char *text);
static void check_relation(const RangeVar *relation, bool relation_only);
static SelectStmt *parse_query(const char *text);
static void analyse_columns(Source *source);
static Query *analyse(Source *source, List *targets);
static Query *rewrite(Source *source, Query *query);

/* Report a position in the source's text as one of an internal query, else add context. */
static void
source_error_callback(void *arg)
{
	const char *text = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(text);
	}
	else
		errcontext("reading source \"%s\"", text);
}

/* Make errors from here on speak of the source; undone by error_context_stack = callback->previous. */
static void
push_error_context(ErrorContextCallback *callback, const char *text)
{
	callback->callback = source_error_callback;
	callback->arg = unconstify(char *, text);
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

/* Add what a source is to a syntax error. */
static void
syntax_error_callback(void *arg)
{
	if (geterrcode() == ERRCODE_SYNTAX_ERROR)
		errhint("%s", (const char *) arg);
}

/* ---- opening ---- */

/* Parse and analyse; relation_only: SQL text is refused. */
static Source *
open_source(const char *text, bool relation_only)
{
	Source	   *source = palloc0(sizeof(Source));
	ErrorContextCallback callback;

	source->text = pstrdup(text);
	if (text[strspn(text, " \t\n\r\f\v")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source is empty"),
				 relation_only ? errhint("A source is the name of a table or view.") :
				 errhint("A source is the name of a table or view, or one SELECT.")));

	source->relation = parse_relation_name(text);
	if (source->relation != NULL)
		check_relation(source->relation, relation_only);
	else if (relation_only)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source must be the name of a table or view"),
				 errdetail("SQL text is not accepted here."),
				 errhint("Create a view of the query, and quote names that are not plain identifiers.")));

	push_error_context(&callback, source->text);
	if (source->relation == NULL)
		source->select = parse_query(source->text);
	analyse_columns(source);
	error_context_stack = callback.previous;
	return source;
}

Source *
source_open(const char *text)
{
	return open_source(text, false);
}

Source *
source_open_relation(const char *text)
{
	return open_source(text, true);
}

/* One identifier at *text, plain or quoted, which is advanced behind it; NULL when there is none. */
static char *
parse_identifier(const char **text)
{
	const char *p = *text;
	StringInfoData name;

	if (*p != '"')
	{
		while (isalpha((unsigned char) *p) || *p == '_' || IS_HIGHBIT_SET(*p) ||
			   (p > *text && (isdigit((unsigned char) *p) || *p == '$')))
			p++;
		if (p == *text)
			return NULL;
		name.data = downcase_truncate_identifier(*text, (int) (p - *text), false);
		*text = p;
		return name.data;
	}
	initStringInfo(&name);
	for (p++; *p != '\0'; p++)
	{
		if (*p == '"' && *++p != '"')
		{
			*text = p;
			if (name.len == 0)
				return NULL;
			truncate_identifier(name.data, name.len, false);
			return name.data;
		}
		appendStringInfoChar(&name, *p);
	}
	return NULL;
}

/* The relation that a chain of one to three identifiers names; NULL when text is no such chain. */
static RangeVar *
parse_relation_name(const char *text)
{
	const char *p = text;
	List	   *names = NIL;

	for (;;)
	{
		char	   *name;

		p += strspn(p, " \t\n\r\f\v");
		name = parse_identifier(&p);
		if (name == NULL)
			return NULL;
		names = lappend(names, makeString(name));
		p += strspn(p, " \t\n\r\f\v");
		if (*p == '\0')
			return makeRangeVarFromNameList(names);
		if (*p++ != '.')
			return NULL;
	}
}

/* Can rows be read from a relation of this kind? */
static bool
is_readable_kind(char relkind)
{
	return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE ||
		relkind == RELKIND_FOREIGN_TABLE || relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW;
}

/*
 * The relation that was probably meant: the nearest spelling where the name was looked for (not
 * in pg_catalog unless asked for), else one of just that name outside of the search path.
 */
static const char *
nearest_relation(const RangeVar *relation)
{
	Oid			schema = relation->schemaname ? get_namespace_oid(relation->schemaname, true) : InvalidOid;
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	const char *elsewhere = NULL;
	const char **names = NULL;
	size_t		count = 0;
	size_t		capacity = 0;
	const char *nearest;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		CHECK_FOR_INTERRUPTS();
		if (!is_readable_kind(form->relkind) || isOtherTempNamespace(form->relnamespace) ||
			form->relnamespace == PG_TOAST_NAMESPACE)
			continue;
		if (relation->schemaname ? form->relnamespace != schema :
			form->relnamespace == PG_CATALOG_NAMESPACE || !RelationIsVisible(form->oid))
		{
			if (relation->schemaname == NULL && strcmp(relation->relname, NameStr(form->relname)) == 0)
				elsewhere = quote_qualified_identifier(get_namespace_name(form->relnamespace),
													   NameStr(form->relname));
			continue;
		}
		if (count == capacity)
		{
			capacity = capacity ? capacity * 2 : 64;
			names = names ? repalloc_huge(names, capacity * sizeof *names) : palloc(capacity * sizeof *names);
		}
		names[count++] = pstrdup(NameStr(form->relname));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);

	nearest = ml_nearest_name(relation->relname, names, count);
	if (nearest == NULL)
		return elsewhere;
	return quote_qualified_identifier(relation->schemaname, nearest);
}

/* Error unless the relation exists and has rows to read. */
static void
check_relation(const RangeVar *relation, bool relation_only)
{
	const char *shown = relation->schemaname ?
		psprintf("%s.%s", relation->schemaname, relation->relname) : relation->relname;
	Oid			oid = RangeVarGetRelid(relation, NoLock, true);
	char		relkind;

	if (!OidIsValid(oid) && relation->schemaname != NULL &&
		!OidIsValid(get_namespace_oid(relation->schemaname, true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema \"%s\" does not exist", relation->schemaname)));
	if (!OidIsValid(oid))
	{
		const char *nearest = nearest_relation(relation);

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist", shown),
				 nearest ? errhint("Perhaps you meant the relation %s.", nearest) :
				 relation_only ? errhint("A source is the name of a table or view.") :
				 errhint("A source is the name of a table or view, or one SELECT.")));
	}
	relkind = get_rel_relkind(oid);
	if (!is_readable_kind(relkind))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table or view", shown),
				 errdetail_relkind_not_supported(relkind)));
}

/* ---- queries ---- */

/* Error: the source is no single SELECT. */
static void
pg_attribute_noreturn()
refuse_query(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("source must be a table, a view or one SELECT that only reads"),
			 errdetail_internal("%s", detail),
			 errhint("Save what the statement makes in a table first, and name that table.")));
}

/* Tell whether a text begins as a query does. */
static bool
begins_as_query(const char *text)
{
	static const char *const words[] = {"select", "with", "values", "table"};

	text += strspn(text, " \t\n\r\f\v");
	if (*text == '(')
		return true;
	for (size_t i = 0; i < lengthof(words); i++)
	{
		size_t		length = strlen(words[i]);

		if (pg_strncasecmp(text, words[i], length) == 0 && !isalnum((unsigned char) text[length]) &&
			text[length] != '_' && text[length] != '$' && !IS_HIGHBIT_SET(text[length]))
			return true;
	}
	return false;
}

/* The relation that a text names letter by letter, as SQL writes it; NULL when there is none. */
static const char *
unquoted_relation(const char *text)
{
	const char *dot = strchr(text, '.');
	Oid			oid = RelnameGetRelid(text);
	char	   *schema;

	if (OidIsValid(oid) && is_readable_kind(get_rel_relkind(oid)))
		return quote_identifier(text);
	if (dot == NULL)
		return NULL;
	schema = pnstrdup(text, (Size) (dot - text));
	oid = get_namespace_oid(schema, true);
	if (OidIsValid(oid))
		oid = get_relname_relid(dot + 1, oid);
	return OidIsValid(oid) && is_readable_kind(get_rel_relkind(oid)) ?
		quote_qualified_identifier(schema, dot + 1) : NULL;
}

/* What to say about a text that is no query and no name either. */
static char *
syntax_hint(const char *text)
{
	const char *relation = unquoted_relation(text);

	if (relation != NULL)
		return psprintf("Perhaps you meant %s, with the double quotes.", relation);
	return pstrdup("A source is the name of a table or view, in double quotes where it has capitals or spaces,"
				   " or one SELECT.");
}

/* The statements of the text. */
static List *
parse_statements(const char *text)
{
	ErrorContextCallback callback = {.previous = error_context_stack, .callback = syntax_error_callback};
	List	   *statements;

	if (begins_as_query(text))
		return raw_parser(text, RAW_PARSE_DEFAULT);
	callback.arg = syntax_hint(text);
	error_context_stack = &callback;
	statements = raw_parser(text, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;
	return statements;
}

/* The one SELECT of the text. */
static SelectStmt *
parse_query(const char *text)
{
	List	   *statements = parse_statements(text);
	SelectStmt *select;
	SelectStmt *leftmost;
	ListCell   *cell;

	if (list_length(statements) != 1)
		refuse_query(psprintf("The text has %d statements.", list_length(statements)));
	select = (SelectStmt *) linitial_node(RawStmt, statements)->stmt;
	if (!IsA(select, SelectStmt))
		refuse_query(psprintf("The statement is %s.", CreateCommandName((Node *) select)));

	leftmost = select;
	while (leftmost->op != SETOP_NONE)
		leftmost = leftmost->larg;
	if (leftmost->intoClause != NULL)
		refuse_query("The statement is SELECT INTO.");
	if (select->lockingClause != NIL)
		refuse_query("The statement locks rows.");
	if (select->withClause != NULL)
		foreach(cell, select->withClause->ctes)
		{
			Node	   *statement = lfirst_node(CommonTableExpr, cell)->ctequery;

			if (!IsA(statement, SelectStmt))
				refuse_query(psprintf("Its WITH clause has %s.", CreateCommandName(statement)));
		}
	return select;
}

/* Error when a query, or one below it (a view's, a subquery's), locks or writes rows. */
static bool
check_read_only_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		if (query->commandType != CMD_SELECT)
			refuse_query("The statement writes rows.");
		if (query->rowMarks != NIL)
			refuse_query("The statement locks rows.");
		return query_tree_walker(query, check_read_only_walker, context, 0);
	}
	return expression_tree_walker(node, check_read_only_walker, context);
}

/* ---- the statement around the source ---- */

Node *
source_column_ref(const Source *source, int column)
{
	ColumnRef  *ref = makeNode(ColumnRef);

	ref->fields = list_make2(makeString(SOURCE_ALIAS), makeString(pstrdup(source->columns[column].name)));
	ref->location = -1;
	return (Node *) ref;
}

/* A raw target of a SELECT list. */
static ResTarget *
make_target(Node *value)
{
	ResTarget  *target = makeNode(ResTarget);

	target->val = value;
	target->location = -1;
	return target;
}

/* The source as an item of a FROM list: a copy, since analysis changes raw trees. */
static Node *
from_item(const Source *source)
{
	Alias	   *alias = makeAlias(SOURCE_ALIAS, NIL);
	RangeSubselect *subselect;

	if (source->relation != NULL)
	{
		/* named as it is, so that rights on its columns are asked only for those read */
		RangeVar   *relation = copyObject(source->relation);

		relation->alias = alias;
		return (Node *) relation;
	}
	subselect = makeNode(RangeSubselect);
	subselect->subquery = (Node *) copyObject(source->select);
	subselect->alias = alias;
	return (Node *) subselect;
}

/* Analyse SELECT targets FROM the source. */
static Query *
analyse(Source *source, List *targets)
{
	SelectStmt *select = makeNode(SelectStmt);
	RawStmt    *statement = makeNode(RawStmt);

	select->targetList = targets;
	select->fromClause = list_make1(from_item(source));
	statement->stmt = (Node *) select;
	return parse_analyze_fixedparams(statement, source->text, NULL, 0, NULL);
}

/* Apply rules and views, and make sure that what is left only reads. */
static Query *
rewrite(Source *source, Query *query)
{
	List	   *queries = pg_rewrite_query(query);

	if (list_length(queries) != 1)
		elog(ERROR, "source \"%s\" was rewritten into %d queries", source->text, list_length(queries));
	query = linitial_node(Query, queries);
	check_read_only_walker((Node *) query, NULL);
	return query;
}

/* Analyse SELECT * FROM the source. */
static Query *
analyse_all(Source *source)
{
	ColumnRef  *star = makeNode(ColumnRef);

	star->fields = list_make1(makeNode(A_Star));
	star->location = -1;
	return analyse(source, list_make1(make_target((Node *) star)));
}

/* The names and types of all columns of the source. */
static void
analyse_columns(Source *source)
{
	Query	   *query = analyse_all(source);
	ListCell   *cell;

	source->columns = palloc0(sizeof(SourceColumn) * Max(list_length(query->targetList), 1));
	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		SourceColumn *column = &source->columns[source->ncolumns++];

		column->name = pstrdup(entry->resname);
		column->type = exprType((Node *) entry->expr);
		column->typmod = exprTypmod((Node *) entry->expr);
		column->type_name = format_type_be(column->type);
	}
	/* what a view hides is seen now, before anybody goes on with the source */
	rewrite(source, query);
}

/* ---- columns ---- */

int
source_find(const Source *source, const char *name)
{
	for (int i = 0; i < source->ncolumns; i++)
		if (strcmp(source->columns[i].name, name) == 0)
			return i;
	return -1;
}

int
source_need(const Source *source, const char *name, const char *role)
{
	int			column = source_find(source, name);

	if (column < 0)
	{
		MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas names", false);
		const char **names = palloc(sizeof(char *) * Max(source->ncolumns, 1));

		for (int i = 0; i < source->ncolumns; i++)
			names[i] = source->columns[i].name;
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("%s \"%s\" does not exist in the source", role, name),
				 errhint("%s", ml_candidates_hint(ctx, "column", name, names, (size_t) source->ncolumns))));
	}
	source_check_unique(source, column, role);
	return column;
}

void
source_check_unique(const Source *source, int column, const char *role)
{
	const char *name = source->columns[column].name;

	if (strcmp(name, "?column?") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("%s at position %d of the source has no name", role, column + 1),
				 errhint("Give every expression of the query a name with AS.")));
	for (int i = 0; i < source->ncolumns; i++)
		if (i != column && strcmp(source->columns[i].name, name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("%s \"%s\" is ambiguous", role, name),
					 errdetail("More than one column of the source has this name."),
					 errhint("Give every column of the query a name of its own with AS.")));
}

/* ---- running ---- */

/* Where the executor sends the rows. */
typedef struct RowReceiver
{
	DestReceiver pub;			/* MUST BE FIRST */
	SourceRow	row;
	void	   *arg;
	MemoryContext memory;		/* reset after each row */
	uint64		rows;
} RowReceiver;

/* Hand one row on. */
static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->memory);

	slot_getallattrs(slot);
	receiver->row(slot, receiver->arg);
	receiver->rows++;
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->memory);
	return true;
}

/* The executor is about to send rows: nothing to do. */
static void
receiver_startup(DestReceiver *self, int operation, TupleDesc descriptor)
{
	(void) self;
	(void) operation;
	(void) descriptor;
}

/* The executor is done, or the receiver goes: its memory belongs to the run. */
static void
receiver_end(DestReceiver *self)
{
	(void) self;
}

/* Run a plan into the receiver under the active snapshot. */
static void
execute(PlannedStmt *plan, const char *text, DestReceiver *receiver)
{
	QueryDesc  *query = CreateQueryDesc(plan, text, GetActiveSnapshot(), InvalidSnapshot,
										receiver, NULL, NULL, 0);

	ExecutorStart(query, 0);
	compat_ExecutorRun(query, ForwardScanDirection, 0);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}

uint64
source_run(Source *source, List *targets, SourceRow row, void *arg)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "mlaas source", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	RowReceiver receiver = {
		.pub = {receive_row, receiver_startup, receiver_end, receiver_end, DestNone},
		.row = row,
		.arg = arg,
		.memory = AllocSetContextCreate(memory, "mlaas source row", ALLOCSET_DEFAULT_SIZES)
	};
	int			nest_level = NewGUCNestLevel();
	bool		read_only = XactReadOnly;
	ErrorContextCallback callback;
	PlannedStmt *plan;

	push_error_context(&callback, source->text);

	/* a scan that begins where another one is would read the same table in another order */
	set_config_option("synchronize_seqscans", "off", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	/*
	 * A source only reads, whatever the functions in it would do.  An error restores the flag with the
	 * (sub)transaction it aborts.
	 */
	XactReadOnly = true;
	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	plan = pg_plan_query(rewrite(source, analyse(source, targets)), source->text,
						 CURSOR_OPT_PARALLEL_OK, NULL);
	progress_scan(plan->planTree->plan_rows);
	execute(plan, source->text, &receiver.pub);
	PopActiveSnapshot();
	XactReadOnly = read_only;
	AtEOXact_GUC(true, nest_level);

	error_context_stack = callback.previous;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
	return receiver.rows;
}

/* The targets of a scan of columns. */
static List *
column_targets(const Source *source, const int *columns, int ncolumns)
{
	List	   *targets = NIL;

	for (int i = 0; i < ncolumns; i++)
		targets = lappend(targets, make_target(source_column_ref(source, columns[i])));
	return targets;
}

uint64
source_scan(Source *source, const int *columns, int ncolumns, SourceRow row, void *arg)
{
	return source_run(source, column_targets(source, columns, ncolumns), row, arg);
}

/* ---- reading twice ---- */

/* Does a relation read from somewhere else, itself or one of its partitions? */
static bool
is_foreign(Oid relation)
{
	List	   *children;
	ListCell   *cell;

	if (get_rel_relkind(relation) == RELKIND_FOREIGN_TABLE)
		return true;
	if (!has_subclass(relation))
		return false;
	children = find_all_inheritors(relation, AccessShareLock, NULL);
	foreach(cell, children)
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_FOREIGN_TABLE)
			return true;
	return false;
}

/*
 * Is there anything in the tree whose result may be another one the next time: what depends on the order of rows
 * (LIMIT, DISTINCT ON, windows, and aggregates, whose sums of floats do), what samples, what is not stored here?
 */
static bool
unrepeatable_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		if (query->hasAggs || query->hasWindowFuncs || query->hasDistinctOn ||
			query->limitCount != NULL || query->limitOffset != NULL)
			return true;
		return query_tree_walker(query, unrepeatable_walker, context, QTW_EXAMINE_RTES_BEFORE);
	}
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		return entry->tablesample != NULL || (entry->rtekind == RTE_RELATION && is_foreign(entry->relid));
	}
	return expression_tree_walker(node, unrepeatable_walker, context);
}

Query *
source_query(Source *source, const int *columns, int ncolumns)
{
	return analyse(source, column_targets(source, columns, ncolumns));
}

bool
source_is_repeatable(Source *source, const int *columns, int ncolumns)
{
	ErrorContextCallback callback;
	Query	   *query;
	bool		repeatable;

	push_error_context(&callback, source->text);
	query = rewrite(source, analyse(source, column_targets(source, columns, ncolumns)));
	repeatable = !unrepeatable_walker((Node *) query, NULL) && !contain_volatile_functions((Node *) query);
	error_context_stack = callback.previous;
	return repeatable;
}

/* ---- what it reads ---- */

/* Collect the relations that a query names, those behind views too. */
static bool
relations_walker(Node *node, void *context)
{
	List	  **relations = context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		if (OidIsValid(entry->relid))
			*relations = list_append_unique_oid(*relations, entry->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, relations_walker, context, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, relations_walker, context);
}

List *
source_relations(Source *source)
{
	List	   *relations = NIL;
	ErrorContextCallback callback;

	push_error_context(&callback, source->text);
	relations_walker((Node *) rewrite(source, analyse_all(source)), &relations);
	error_context_stack = callback.previous;
	return relations;
}

char *
source_temporary(Source *source)
{
	ListCell   *cell;

	foreach(cell, source_relations(source))
		if (get_rel_persistence(lfirst_oid(cell)) == RELPERSISTENCE_TEMP)
			return get_rel_name(lfirst_oid(cell));
	return NULL;
}
