/*
 * Models of trees whose mean is the prediction: parameters in common, loading and scoring.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/cart.h"

/* ---- parameters ---- */

const char *const cart_criteria[] = {
	"auto", "gini", "entropy", "squared_error", "absolute_error", "poisson", NULL
};

unsigned
cart_tasks_of(const void *params)
{
	switch ((CartCriterion) ((const CartParams *) params)->criterion)
	{
		case CART_GINI:
		case CART_ENTROPY:
			return ML_TASK_CLASSIFICATION;
		case CART_SQUARED:
		case CART_ABSOLUTE:
		case CART_POISSON:
			return ML_TASK_REGRESSION;
		case CART_AUTO:
			break;
	}
	return ML_TASK_REGRESSION | ML_TASK_CLASSIFICATION;
}

static void
check_max_features(MlContext *ctx, const char *text)
{
	static const char *const names[] = {"\"sqrt\"", "\"log2\"", "\"all\""};
	char	   *end;
	double		number;

	if (text == NULL)
		return;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(text, names[i]) == 0)
			return;
	number = strtod(text, &end);
	if (end != text && *end == '\0' && number > 0 && (strpbrk(text, ".eE") == NULL || number <= 1))
		return;
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx, "parameter \"max_features\" cannot be %s", text),
				  NULL,
				  "It is \"sqrt\", \"log2\", \"all\", a number of columns as 3, or a share of them above 0 and up to "
				  "1.0, as 0.5.");
}

void
cart_check_params(MlContext *ctx, const void *params)
{
	const CartParams *p = params;

	check_max_features(ctx, p->max_features);
	if (p->max_depth > 0 && p->max_depth < 31 && p->max_leaf_nodes > (int64_t) 1 << p->max_depth)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  "parameters \"max_depth\" and \"max_leaf_nodes\" contradict each other",
					  ml_format(ctx, "A tree of depth %d has at most %d leaves, not %lld.", (int) p->max_depth,
								1 << p->max_depth, (long long) p->max_leaf_nodes),
					  "Set one of them to 0, which is no limit.");
	if (p->class_weight != NULL && !(cart_tasks_of(params) & ML_TASK_CLASSIFICATION))
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  "parameters \"class_weight\" and \"criterion\" contradict each other",
					  "The criterion is for numbers, which have no classes.", NULL);
}

/* ---- a loaded model ---- */

typedef struct LoadedCart
{
	MlEnsemble	ensemble;
	MlForest   *forest;
	MlTaskKind	task;
	const char *drawn_rows;		/* NULL = not known */
} LoadedCart;

void *
cart_load(MlContext *ctx, const MlNode *payload, const MlShape *shape)
{
	LoadedCart *m = ml_alloc_zero(ctx, sizeof *m);
	int			width = shape->task == ML_TASK_MULTICLASS ? shape->classes : 1;
	const MlNode *statistics = ml_need(ctx, payload, "statistics", ML_NODE_OBJECT);

	m->forest = ml_forest_load(ctx, payload, shape, width, width);
	m->task = shape->task;
	if (ml_node_find(payload, CART_DRAWN_ROWS) != NULL)
		m->drawn_rows = ml_need_string(ctx, payload, CART_DRAWN_ROWS);
	if (m->forest->trees == 0)
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: a forest without a tree");
	for (size_t i = 0; i < m->forest->nodes * (size_t) width && shape->classes > 0; i++)
		if (!(m->forest->value[i] >= 0 && m->forest->value[i] <= 1))
			ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: a leaf's value is no probability");
	ml_need_int(ctx, statistics, "n_rows", 1, INT64_MAX);
	ml_need_int(ctx, statistics, "n_trees", (int64_t) m->forest->trees, (int64_t) m->forest->trees);
	m->ensemble = (MlEnsemble) {
		.forest = m->forest,.base = ml_alloc_array_zero(ctx, (size_t) width, sizeof(double)),
		.scale = 1 / (double) m->forest->trees,.link = shape->task == ML_TASK_BINARY ? ML_LINK_COMPLEMENT :
		ML_LINK_IDENTITY,
	};
	return m;
}

void
cart_score(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	const LoadedCart *m = loaded;
	/* binary: class 1 has the sum */
	double	   *first = m->task == ML_TASK_BINARY ? out + ldout : out;
	size_t		outputs = (size_t) m->forest->outputs;

	for (size_t k = 0; k < outputs; k++)
		for (size_t i = 0; i < n; i++)
			first[k * ldout + i] = 0;
	ml_forest_sum(m->forest, x, ldx, n, first, ldout);
	for (size_t k = 0; k < outputs; k++)
		for (size_t i = 0; i < n; i++)
			first[k * ldout + i] *= m->ensemble.scale;
	for (size_t i = 0; i < n && m->task == ML_TASK_BINARY; i++)
		out[i] = 1 - first[i];
}

const MlEnsemble *
cart_ensemble(const void *loaded)
{
	return &((const LoadedCart *) loaded)->ensemble;
}

const char *
cart_drawn_rows(const void *loaded)
{
	return ((const LoadedCart *) loaded)->drawn_rows;
}
