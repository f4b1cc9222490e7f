/*
 * Keeping, merging and flattening the rows of ml_fit.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"

#include "model/automatic.h"
#include "pg/fitstate.h"
#include "pg/host.h"

FitState *
fit_state_create(MemoryContext memory, const char *algorithm, const char *params,
				 bool text_target, int features, bool weighted)
{
	MlContext  *ctx = host_context_create(memory, "ml_fit", true);
	FitState   *state = ml_alloc_zero(ctx, sizeof(FitState));

	state->ctx = ctx;
	state->text_target = text_target;
	state->features = features;
	if (algorithm != NULL)
	{
		state->algorithm_name = ml_strdup(ctx, algorithm);
		state->params = ml_strdup(ctx, params);
		if (strcmp(algorithm, "auto") == 0)
		{
			state->algorithm = ml_algorithm_auto(text_target ? ML_TASK_BINARY : ML_TASK_REGRESSION);
			ml_auto_check_params(ctx, state->algorithm, params);
		}
		else
			state->algorithm = ml_algorithm_by_name(ctx, algorithm);
		ml_params_parse(ctx, state->algorithm, params);
	}
	if (state->algorithm == NULL || (state->algorithm->fit_factor != NULL && !text_target))
	{
		state->one_pass = ml_one_pass_create(ctx, features, weighted, algorithm == NULL);
		return state;
	}
	state->columns = ml_alloc_array(ctx, (size_t) features + 1, sizeof(MlColumn *));
	for (int j = 0; j < features; j++)
		state->columns[j] = ml_column_create(ctx, ml_format(ctx, "x%d", j + 1), ML_KIND_NUMBER);
	state->target = ml_column_create(ctx, "y", text_target ? ML_KIND_CATEGORY : ML_KIND_NUMBER);
	return state;
}

/* ---- merging ---- */

/* Append the rows of one column, which is finished, to another, kept NULLs and NaN counts included. */
static void
append_column(MlContext *ctx, MlColumn *to, const MlColumn *from)
{
	double		block[ML_BLOCK_ROWS];

	for (size_t begin = 0; begin < from->rows; begin += ML_BLOCK_ROWS)
	{
		size_t		n = Min((size_t) ML_BLOCK_ROWS, from->rows - begin);

		ml_column_read(from, 0, NULL, begin, n, block);
		for (size_t i = 0; i < n; i++)
		{
			if (isnan(block[i]))
				ml_column_add_null(ctx, to);
			else if (to->kind == ML_KIND_CATEGORY)
				ml_column_add_category(ctx, to, from->dictionary->strings[(size_t) block[i]],
									   from->dictionary->lengths[(size_t) block[i]]);
			else
				ml_column_add_number(ctx, to, block[i]);
		}
	}
	/* infinities were counted again as they were added; NaNs given as values were not */
	to->nonfinite += from->nan_values;
	to->nan_values += from->nan_values;
}

void
fit_state_changed(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the %s of ml_fit must be the same for every row", what),
			 errhint("Use GROUP BY to fit one model for each value.")));
}

void
fit_state_check(const FitState *state, bool unfinished, bool text_target, bool weighted)
{
	if ((state->algorithm_name == NULL) != unfinished || state->text_target != text_target ||
		(state->one_pass != NULL && state->one_pass->weighted != weighted))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the state of another aggregate cannot be used here")));
}

/* Are both absent, or both the same? */
static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void
fit_state_merge(FitState *state, FitState *other)
{
	if (state->features != other->features)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("rows differ in their number of features"),
				 errdetail("Some rows have %d, others %d.", state->features, other->features)));
	/* processes that each saw one value do not know of the others' */
	if (!same_text(state->algorithm_name, other->algorithm_name))
		fit_state_changed("algorithm");
	if (!same_text(state->params, other->params))
		fit_state_changed("params");
	if (state->text_target != other->text_target)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("states of ml_fit with a numeric and with a text target cannot be merged")));
	if (state->one_pass != NULL && other->one_pass != NULL)
	{
		if (state->one_pass->weighted != other->one_pass->weighted)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("states with and without weights cannot be merged")));
		ml_one_pass_flush(other->ctx, other->one_pass);
		ml_one_pass_merge(state->ctx, state->one_pass, other->one_pass);
		return;
	}
	/* each state's memory is counted by its own context */
	for (int j = 0; j < state->features; j++)
	{
		ml_column_finish(other->ctx, other->columns[j]);
		append_column(state->ctx, state->columns[j], other->columns[j]);
	}
	ml_column_finish(other->ctx, other->target);
	append_column(state->ctx, state->target, other->target);
}

/* ---- flat form ---- */

/* One column as arrays of a document. */
static void
write_column(MlContext *ctx, MlWriter *w, MlColumn *column)
{
	double	   *values;

	ml_column_finish(ctx, column);
	values = ml_alloc_array(ctx, column->rows + 1, sizeof(double));
	ml_column_read(column, 0, NULL, 0, column->rows, values);
	ml_write_object(w, NULL);
	ml_write_f64s(w, "values", values, column->rows);
	ml_write_int(w, "nan_values", (int64_t) column->nan_values);
	if (column->kind == ML_KIND_CATEGORY)
	{
		ml_write_list(w, "strings");
		for (uint32_t i = 0; i < column->dictionary->count; i++)
			ml_write_string_length(w, NULL, column->dictionary->strings[i], column->dictionary->lengths[i]);
		ml_write_end(w);
	}
	ml_write_end(w);
	ml_free(ctx, values);
}

/* The document of a state. */
static void *
fit_document(FitState *state, size_t *size)
{
	MlContext  *ctx = state->ctx;
	MlWriter   *w = ml_writer_create(ctx);

	if (state->algorithm_name != NULL)
	{
		ml_write_string(w, "algorithm", state->algorithm_name);
		ml_write_string(w, "params", state->params);
	}
	ml_write_bool(w, "text_target", state->text_target);
	ml_write_int(w, "features", state->features);
	if (state->one_pass != NULL)
	{
		size_t		count;
		double	   *flat;

		ml_one_pass_flush(ctx, state->one_pass);
		count = ml_one_pass_flat_count(state->one_pass);
		flat = ml_alloc_array(ctx, count, sizeof(double));
		ml_one_pass_flatten(state->one_pass, flat);
		ml_write_f64s(w, "one_pass", flat, count);
	}
	else
	{
		ml_write_list(w, "columns");
		for (int j = 0; j < state->features; j++)
			write_column(ctx, w, state->columns[j]);
		write_column(ctx, w, state->target);
		ml_write_end(w);
	}
	return ml_writer_finish(w, size);
}

static Size
fit_flat_size(void *state)
{
	size_t		size;

	ml_free(((FitState *) state)->ctx, fit_document(state, &size));
	return size;
}

static void
fit_flatten(void *state, char *bytes, Size size)
{
	size_t		written;
	void	   *document = fit_document(state, &written);

	if (written != size)
		elog(ERROR, "flat state of ml_fit changed its size");
	memcpy(bytes, document, size);
	ml_free(((FitState *) state)->ctx, document);
}

static void
corrupted_state(MlContext *ctx, const char *reason)
{
	ml_raise_full(ctx, ML_ERROR_CORRUPTED, "invalid state of ml_fit", ml_format(ctx, "%s.", reason), NULL);
}

/* Rows of one column back from its object. */
static void
read_column(MlContext *ctx, MlColumn *column, const MlNode *object, size_t *rows)
{
	const MlNode *node;
	const MlNode *strings = NULL;
	const double *values;
	size_t		n;

	if (ml_node_type(object) != ML_NODE_OBJECT)
		corrupted_state(ctx, "A column is no object");
	node = ml_need(ctx, object, "values", ML_NODE_F64S);
	values = ml_node_array(node);
	n = ml_node_count(node);
	if (*rows != SIZE_MAX && n != *rows)
		corrupted_state(ctx, "Columns differ in length");
	*rows = n;
	if (column->kind == ML_KIND_CATEGORY)
		strings = ml_need(ctx, object, "strings", ML_NODE_LIST);
	for (size_t i = 0; i < n; i++)
	{
		if (isnan(values[i]))
			ml_column_add_null(ctx, column);
		else if (strings == NULL)
			ml_column_add_number(ctx, column, values[i]);
		else
		{
			const MlNode *string = values[i] >= 0 && values[i] < (double) ml_node_count(strings) ?
				ml_node_at(strings, (size_t) values[i]) : NULL;

			if (string == NULL || ml_node_type(string) != ML_NODE_STRING)
				corrupted_state(ctx, "A category has no string");
			ml_column_add_category(ctx, column, ml_node_string(string), ml_node_count(string));
		}
	}
	column->nan_values = (size_t) ml_need_int(ctx, object, "nan_values", 0, (int64_t) n);
	column->nonfinite += column->nan_values;
}

static void *
fit_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	MlContext  *ctx = host_context_create(memory, "ml_fit state", true);
	const char *reason = ml_document_check(bytes, size);
	const MlNode *root;
	const MlNode *name;
	FitState   *state;
	int			features;

	if (reason != NULL)
		corrupted_state(ctx, reason);
	root = ml_document_root(bytes);
	features = (int) ml_need_int(ctx, root, "features", 0, 1 << 16);
	name = ml_node_find(root, "algorithm");
	state = fit_state_create(memory, name ? ml_need_string(ctx, root, "algorithm") : NULL,
							 name ? ml_need_string(ctx, root, "params") : NULL,
							 ml_need_bool(ctx, root, "text_target"), features, false);
	if (state->one_pass != NULL)
	{
		const MlNode *flat = ml_need(ctx, root, "one_pass", ML_NODE_F64S);

		state->one_pass = ml_one_pass_unflatten(state->ctx, ml_node_array(flat), ml_node_count(flat), &reason);
		if (state->one_pass == NULL)
			corrupted_state(ctx, reason);
		if (state->one_pass->features != features)
			corrupted_state(ctx, "The number of features differs");
	}
	else
	{
		const MlNode *list = ml_need(ctx, root, "columns", ML_NODE_LIST);
		size_t		rows = SIZE_MAX;

		if (ml_node_count(list) != (size_t) features + 1)
			corrupted_state(ctx, "The number of columns differs");
		for (int j = 0; j <= features; j++)
			read_column(state->ctx, j < features ? state->columns[j] : state->target, ml_node_at(list, (size_t) j),
						&rows);
	}
	host_context_delete(ctx);
	return state;
}

FitState *
fit_state_get(Datum datum, MemoryContext memory)
{
	return state_get(datum, &fit_state_kind, memory)->state;
}

const StateKind fit_state_kind = {
	.id = STATE_FIT,
	.name = "fit",
	.flat_size = fit_flat_size,
	.flatten = fit_flatten,
	.unflatten = fit_unflatten,
};
