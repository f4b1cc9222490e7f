/*
 * Trees to read: ml_trees (a row a node), ml_tree_text (a tree as indented text).
 *
 * Trees and nodes are numbered from 1, the nodes of a tree from its root; children come after their parents.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "edit/trees.h"
#include "pg/features.h"
#include "pg/host.h"
#include "pg/modelarg.h"
#include "pg/treenode.h"

PG_FUNCTION_INFO_V1(ml_trees);
PG_FUNCTION_INFO_V1(ml_tree_text);

#define INDENT 4				/* characters a level */
#define TEXT_BYTES (256 << 20)	/* of a tree, at most about */

#define NODE_COLUMNS 15

/* ---- what a node says ---- */

/* The class, or the quantile, that a tree adds to; NULL when it adds to all or there is none. */
static const char *
tree_class(const MlModel *model, const MlForest *forest, size_t tree)
{
	const MlSignature *signature = model->signature;
	const double *levels;

	if (model->algorithm->quantiles != NULL && model->algorithm->quantiles(model->loaded, &levels) == forest->outputs)
		return number_text(levels[tree % (size_t) forest->outputs]);
	if (forest->width > 1 || signature->nclasses == 0)
		return NULL;
	/* one score of two classes is that of the second */
	if (forest->outputs == 1 && signature->nclasses == 2)
		return signature->class_labels[1];
	return forest->outputs == signature->nclasses ? signature->class_labels[tree % (size_t) forest->outputs] : NULL;
}

/* The values of a node as an array. */
static Datum
value_array(const MlForest *forest, size_t node)
{
	Datum	   *values = palloc(sizeof(Datum) * (Size) forest->width);

	for (int v = 0; v < forest->width; v++)
		values[v] = Float8GetDatum(forest->value[node * (size_t) forest->width + (size_t) v]);
	return PointerGetDatum(construct_array(values, forest->width, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}

/* The strings that go left at a node of a category. */
static Datum
category_array(const MlModel *model, const MlForest *forest, size_t node)
{
	int			column = forest->feature[node];
	int			levels = ml_prep_string_levels(model->prep, column);
	Datum	   *names = palloc(sizeof(Datum) * (Size) Max(levels, 1));
	int			count = 0;

	for (int level = 0; level < levels; level++)
		if (ml_forest_goes_left(forest, node, level))
			names[count++] = CStringGetTextDatum(ml_prep_level_name(model->prep, column, level));
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- rows ---- */

/* The tree that is being shown. */
typedef struct ShownTree
{
	const MlModel *model;
	const MlForest *forest;
	size_t		tree;
	int32	   *parent;			/* [nodes of the largest tree] -1 = none */
	int32	   *depth;
} ShownTree;

/* Put a node into the row; nulls are all true before. */
static void
fill_row(const ShownTree *shown, size_t node, Datum *values, bool *nulls)
{
	const MlForest *forest = shown->forest;
	size_t		begin = (size_t) forest->tree_begin[shown->tree];
	size_t		at = node - begin;
	const char *class = tree_class(shown->model, forest, shown->tree);

#define SET(column, datum) (values[column] = (datum), nulls[column] = false)
	SET(0, Int32GetDatum((int32) shown->tree + 1));
	if (class != NULL)
		SET(1, CStringGetTextDatum(class));
	SET(2, Int32GetDatum((int32) at + 1));
	if (shown->parent[at] >= 0)
		SET(3, Int32GetDatum(shown->parent[at] + 1));
	SET(4, Int32GetDatum(shown->depth[at]));
	SET(13, Float8GetDatum(forest->cover[node]));
	SET(14, value_array(forest, node));
	if (forest->feature[node] < 0)
		return;
	SET(5, CStringGetTextDatum(ml_prep_column(shown->model->prep, forest->feature[node])->name));
	SET(8, BoolGetDatum(node_null_left(shown->model, forest, node)));
	if (forest->levels[forest->feature[node]] > 0)
	{
		SET(7, category_array(shown->model, forest, node));
		SET(9, BoolGetDatum(node_unseen_left(shown->model, forest, node)));
	}
	else
		SET(6, Float8GetDatum(forest->threshold[node]));
	SET(10, Int32GetDatum(forest->left[node] - (int32) begin + 1));
	SET(11, Int32GetDatum(forest->left[node] - (int32) begin + 2));
	SET(12, Float8GetDatum(forest->gain[node]));
#undef SET
}

/* Add the nodes of a tree to the result. */
static void
emit_tree(ReturnSetInfo *result, ShownTree *shown, MemoryContext row_memory)
{
	const MlForest *forest = shown->forest;
	size_t		begin = (size_t) forest->tree_begin[shown->tree];
	size_t		nodes = (size_t) forest->tree_begin[shown->tree + 1] - begin;

	shown->parent[0] = -1;
	shown->depth[0] = 0;
	for (size_t at = 0; at < nodes; at++)
	{
		Datum		values[NODE_COLUMNS] = {0};
		bool		nulls[NODE_COLUMNS];
		MemoryContext caller = MemoryContextSwitchTo(row_memory);

		CHECK_FOR_INTERRUPTS();
		if (forest->feature[begin + at] >= 0)
		{
			size_t		left = (size_t) forest->left[begin + at] - begin;

			shown->parent[left] = shown->parent[left + 1] = (int32) at;
			shown->depth[left] = shown->depth[left + 1] = shown->depth[at] + 1;
		}
		memset(nulls, true, sizeof(nulls));
		fill_row(shown, begin + at, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row_memory);
	}
}

/* The nodes of the largest tree. */
static size_t
largest_tree(const MlForest *forest)
{
	size_t		most = 1;

	for (size_t t = 0; t < forest->trees; t++)
		most = Max(most, (size_t) (forest->tree_begin[t + 1] - forest->tree_begin[t]));
	return most;
}

/* The nodes of a model's trees. */
Datum
ml_trees(PG_FUNCTION_ARGS)
{
	MemoryContext row_memory = AllocSetContextCreate(CurrentMemoryContext, "ml_trees row", ALLOCSET_SMALL_SIZES);
	ShownTree	shown = {0};

	InitMaterializedSRF(fcinfo, 0);
	shown.model = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	shown.forest = trees_argument(shown.model)->forest;
	shown.parent = palloc_extended(sizeof(int32) * largest_tree(shown.forest), MCXT_ALLOC_HUGE);
	shown.depth = palloc_extended(sizeof(int32) * largest_tree(shown.forest), MCXT_ALLOC_HUGE);
	for (shown.tree = 0; shown.tree < shown.forest->trees; shown.tree++)
		emit_tree((ReturnSetInfo *) fcinfo->resultinfo, &shown, row_memory);
	return (Datum) 0;
}

/* ---- text ---- */

/* A place in the tree that is still to be written. */
typedef struct Pending
{
	size_t		node;
	int			depth;
	bool		right;			/* the condition to write is that of the parent's right side */
	int64		parent;			/* -1 = the root */
} Pending;

/* The strings of one side of a category, in parentheses. */
static void
append_categories(StringInfo text, const MlModel *model, const MlForest *forest, size_t node, bool right)
{
	int			column = forest->feature[node];
	int			levels = ml_prep_string_levels(model->prep, column);
	int			count = 0;

	appendStringInfoChar(text, '(');
	for (int level = 0; level < levels; level++)
		if (ml_forest_goes_left(forest, node, level) != right)
			appendStringInfo(text, "%s%s", count++ > 0 ? ", " : "",
							 quote_literal_cstr(ml_prep_level_name(model->prep, column, level)));
	appendStringInfoChar(text, ')');
}

/* What holds on one side of a node. */
static void
append_condition(StringInfo text, const MlModel *model, const MlForest *forest, size_t node, bool right)
{
	bool		category = forest->levels[forest->feature[node]] > 0;

	appendStringInfoString(text, ml_prep_column(model->prep, forest->feature[node])->name);
	if (category)
	{
		appendStringInfoString(text, " in ");
		append_categories(text, model, forest, node, right);
	}
	else
		appendStringInfo(text, " %s %s", right ? "> " : "<=", number_text(forest->threshold[node]));
	if (category && node_unseen_left(model, forest, node) != right)
		appendStringInfoString(text, " or another");
	if (node_null_left(model, forest, node) != right)
		appendStringInfoString(text, " or NULL");
}

/* The values of a leaf: one number, or one for each class. */
static void
append_values(StringInfo text, const MlModel *model, const MlForest *forest, size_t node)
{
	appendStringInfoString(text, "value");
	for (int v = 0; v < forest->width; v++)
	{
		appendStringInfoString(text, v > 0 ? ", " : " ");
		if (forest->width > 1 && forest->width == model->signature->nclasses)
			appendStringInfo(text, "%s: ", model->signature->class_labels[v]);
		appendStringInfoString(text, number_text(forest->value[node * (size_t) forest->width + (size_t) v]));
	}
}

/* One line, or two for a side that is a leaf. */
static void
append_place(StringInfo text, const MlModel *model, const MlForest *forest, const Pending *place)
{
	int			depth = place->depth;

	if (place->parent >= 0)
	{
		for (int i = 1; i < depth; i++)
			appendStringInfoString(text, "|   ");
		appendStringInfoString(text, "|--- ");
		append_condition(text, model, forest, (size_t) place->parent, place->right);
		appendStringInfo(text, "  (cover %s)\n", number_text(forest->cover[place->node]));
	}
	if (forest->feature[place->node] >= 0)
		return;
	for (int i = 0; i < depth; i++)
		appendStringInfoString(text, "|   ");
	appendStringInfoString(text, "|--- ");
	append_values(text, model, forest, place->node);
	appendStringInfoChar(text, '\n');
}

/* Error: the tree does not fit into a text. */
static void
pg_attribute_noreturn()
refuse_size(const MlForest *forest, size_t tree, int depth)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("tree %zu is too large for a text", tree + 1),
			 errdetail("It has %d nodes and depth %d; each line is indented by its depth.",
					   forest->tree_begin[tree + 1] - forest->tree_begin[tree], depth),
			 errhint("Read its nodes with ml_trees, or make the model smaller with ml_prune.")));
}

/* Error when the lines alone, without what they say, would be more than a text holds. */
static int
check_size(const MlForest *forest, size_t tree)
{
	size_t		begin = (size_t) forest->tree_begin[tree];
	size_t		nodes = (size_t) forest->tree_begin[tree + 1] - begin;
	int		   *depth = palloc_extended(sizeof(int) * nodes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	Size		bytes = 0;
	int			deepest = 0;

	/* children come after their parents */
	for (size_t i = 0; i < nodes; i++)
	{
		bytes += (Size) depth[i] * INDENT;
		deepest = Max(deepest, depth[i]);
		if (forest->feature[begin + i] >= 0)
		{
			size_t		left = (size_t) forest->left[begin + i] - begin;

			depth[left] = depth[left + 1] = depth[i] + 1;
		}
	}
	pfree(depth);
	if (bytes > TEXT_BYTES)
		refuse_size(forest, tree, deepest);
	return deepest;
}

/* The whole tree: a node, then its left side, then its right one. */
static void
append_tree(StringInfo text, const MlModel *model, const MlForest *forest, size_t tree)
{
	size_t		nodes = (size_t) (forest->tree_begin[tree + 1] - forest->tree_begin[tree]);
	Pending    *pending = palloc_extended(sizeof(Pending) * (nodes + 1), MCXT_ALLOC_HUGE);
	size_t		count = 0;
	int			depth = check_size(forest, tree);

	pending[count++] = (Pending) {(size_t) forest->tree_begin[tree], 0, false, -1};
	while (count > 0)
	{
		Pending		place = pending[--count];

		CHECK_FOR_INTERRUPTS();
		append_place(text, model, forest, &place);
		if (text->len > TEXT_BYTES)
			refuse_size(forest, tree, depth);
		if (forest->feature[place.node] >= 0)
		{
			size_t		left = (size_t) forest->left[place.node];

			pending[count++] = (Pending) {left + 1, place.depth + 1, true, (int64) place.node};
			pending[count++] = (Pending) {left, place.depth + 1, false, (int64) place.node};
		}
	}
}

/* One tree of a model as text. */
Datum
ml_tree_text(PG_FUNCTION_ARGS)
{
	const MlModel *model = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	const MlForest *forest = trees_argument(model)->forest;
	int32		number = PG_GETARG_INT32(1);
	const char *class;
	StringInfoData text;

	if (number < 1 || (size_t) number > forest->trees)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the model has no tree %d", number),
				 forest->trees > 0 ? errdetail("Its trees are numbered from 1 to %zu.", forest->trees) :
				 errdetail("It has no tree at all.")));
	initStringInfo(&text);
	class = tree_class(model, forest, (size_t) number - 1);
	appendStringInfo(&text, "tree %d of %zu", number, forest->trees);
	if (class != NULL)
		appendStringInfo(&text, ", %s %s", model->signature->nclasses > 0 ? "class" : "quantile", class);
	appendStringInfo(&text, "  (cover %s)\n", number_text(forest->cover[forest->tree_begin[number - 1]]));
	append_tree(&text, model, forest, (size_t) number - 1);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len - 1));
}
