/*
 * Explaining a model's raw score: which way, and for what.
 *
 * Trees go to tree_shap.c and tree_background.c.  A linear model's score is b + sum_j c_j x_j over its prepared
 * columns; against rows of which the features are taken for independent, column j contributes c_j (x_j - mean_j), and a
 * feature the sum over its columns: its levels, its missing indicator.  The means are those of the training rows, which
 * the preparation keeps, or of the background.  A model that looks at no feature has a base value and nothing else.
 */
#include "explain/explain_internal.h"

#include <math.h>
#include <string.h>

#include "base/random.h"

/* ---- rows kept ---- */

void
ml_raw_rows_init(MlRawRows *r, const MlModel *model)
{
	memset(r, 0, sizeof *r);
	r->slots = (size_t) model->signature->slots;
}

double *
ml_raw_rows_add(MlContext *ctx, MlRawRows *r)
{
	size_t		row = r->rows;

	if (row % ML_BLOCK_ROWS == 0)
	{
		if (r->nblocks == r->capacity)
		{
			r->capacity = r->capacity ? 2 * r->capacity : 16;
			r->blocks = ml_realloc(ctx, r->blocks, r->capacity * sizeof(double *));
		}
		if (r->nblocks == r->made)
			r->blocks[r->made++] = ml_alloc_array(ctx, r->slots + 1, ML_BLOCK_ROWS * sizeof(double));
		r->nblocks++;
	}
	r->rows++;
	return ml_raw_rows_at(r, row, 0);
}

void
ml_raw_rows_clear(MlRawRows *r)
{
	r->rows = r->nblocks = 0;
}

void
ml_reservoir_init(MlReservoir *r, const MlModel *model, size_t most, uint64_t seed)
{
	ml_raw_rows_init(&r->rows, model);
	r->most = most;
	r->seen = 0;
	r->seed = seed;
}

double *
ml_reservoir_next(MlContext *ctx, MlReservoir *r)
{
	uint64_t	place = r->seen++;

	if (place < r->most)
		return ml_raw_rows_add(ctx, &r->rows);
	place = (uint64_t) (((unsigned __int128) ml_mix64(ml_mix64(r->seed) ^ place) * r->seen) >> 64);
	return place < r->most ? ml_raw_rows_at(&r->rows, place, 0) : NULL;
}

/* ---- setting up ---- */

/* The output that a regression of several quantiles predicts: the one next to the median. */
static int
median_output(const MlModel *model)
{
	const double *levels;
	int			count = model->algorithm->quantiles != NULL ? model->algorithm->quantiles(model->loaded, &levels) : 0;
	int			nearest = 0;

	for (int q = 1; q < count; q++)
		if (fabs(levels[q] - 0.5) < fabs(levels[nearest] - 0.5))
			nearest = q;
	return nearest;
}

/* The means of the prepared columns: of the training rows, or of the background. */
static void
find_means(MlContext *ctx, MlExplainer *e, const MlRawRows *background)
{
	const MlPrep *prep = e->model->prep;
	size_t		columns = (size_t) ml_prep_columns(prep);
	double	   *x;

	e->mean = ml_alloc_array_zero(ctx, columns + 1, sizeof(double));
	if (background == NULL)
	{
		for (size_t j = 0; j < columns; j++)
		{
			const MlPreparedColumn *c = ml_prep_column(prep, (int) j);

			e->mean[j] = (c->mean - c->center) / c->scale;
		}
		return;
	}
	x = ml_alloc_array(ctx, columns + 1, ML_BLOCK_ROWS * sizeof(double));
	for (size_t b = 0; b < background->nblocks; b++)
	{
		size_t		n = ml_raw_rows_in_block(background, b);

		ml_prep_apply(prep, background->blocks[b], ML_BLOCK_ROWS, n, x, n);
		for (size_t j = 0; j < columns; j++)
			for (size_t i = 0; i < n; i++)
				e->mean[j] += x[j * n + i];
	}
	for (size_t j = 0; j < columns; j++)
		e->mean[j] /= (double) background->rows;
	ml_free(ctx, x);
}

/* The background as prepared rows. */
static double *
prepare_rows(MlContext *ctx, const MlModel *model, const MlRawRows *background)
{
	size_t		columns = (size_t) ml_prep_columns(model->prep);
	double	   *rows = ml_alloc_array(ctx, background->rows, columns * sizeof(double) + 1);

	for (size_t i = 0; i < background->rows; i++)
		ml_prep_apply(model->prep, ml_raw_rows_at(background, i, 0), ML_BLOCK_ROWS, 1, rows + i * columns, 1);
	return rows;
}

/* Coefficients for the prepared columns, and the score at their means. */
static void
set_linear(MlContext *ctx, MlExplainer *e, const MlRawRows *background)
{
	const MlModel *model = e->model;
	size_t		columns = (size_t) ml_prep_columns(model->prep);
	MlCoefficient *rows;
	size_t		n = model->algorithm->coefficients(ctx, model->loaded, &model->shape, &rows);

	find_means(ctx, e, background);
	e->coef = ml_alloc_array_zero(ctx, (size_t) e->outputs, (columns + 1) * sizeof(double));
	for (size_t i = 0; i < n; i++)
	{
		int			output = e->outputs > 1 ? rows[i].klass : 0;
		const MlPreparedColumn *c = rows[i].column < 0 ? NULL : ml_prep_column(model->prep, rows[i].column);

		/* NaN: a column that others determine has no part */
		if (c == NULL)
			e->base[output] += rows[i].estimate;
		else if (rows[i].estimate == rows[i].estimate)
		{
			size_t		j = (size_t) rows[i].column;

			e->coef[(size_t) output * columns + j] = rows[i].estimate * c->scale;
			e->base[output] += rows[i].estimate * (c->center + c->scale * e->mean[j]);
		}
	}
	ml_free(ctx, rows);
}

/* A model that looks at nothing: its only answer. */
static void
set_constant(MlContext *ctx, MlExplainer *e)
{
	size_t		outputs = (size_t) ml_model_outputs(e->model);
	double	   *out = ml_alloc_array(ctx, outputs, sizeof(double));

	e->model->algorithm->score(e->model->loaded, NULL, 1, 1, out, 1);
	for (int c = 0; c < e->outputs; c++)
		e->base[c] = outputs == 2 ? out[1] : out[c];
	ml_free(ctx, out);
}

/* Refuse a model that has nothing to look into. */
static void
refuse(MlContext *ctx, const MlModel *model)
{
	ml_raise_full(ctx, ML_ERROR_UNSUPPORTED,
				  ml_format(ctx, "a model of algorithm \"%s\" cannot be explained", model->algorithm->name),
				  "Contributions are computed for trees and for linear models.",
				  "ml_importance by \"permutation\", ml_partial_dependence and ml_ice work with every model.");
}

MlExplainer *
ml_explainer_create(MlContext *ctx, const MlModel *model, const MlRawRows *background)
{
	MlExplainer *e = ml_alloc_zero(ctx, sizeof *e);
	const MlAlgorithm *algorithm = model->algorithm;
	const MlEnsemble *ensemble = algorithm->ensemble != NULL ? algorithm->ensemble(model->loaded) : NULL;
	size_t		columns = (size_t) ml_prep_columns(model->prep);
	int		   *slots = ml_alloc_array(ctx, columns + 1, sizeof(int));

	if (ml_prep_has_interactions(model->prep))
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED, "a model with interactions in its preparation cannot be explained",
					  "What a product contributes belongs to none of its columns alone.",
					  "ml_importance by \"permutation\", ml_partial_dependence and ml_ice work with every model.");
	if (background != NULL && background->rows == 0)
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "the background has no rows");
	for (size_t j = 0; j < columns; j++)
		slots[j] = ml_prep_column(model->prep, (int) j)->slot;
	e->model = model;
	e->slot_of_column = slots;
	e->slots = (size_t) model->signature->slots;
	e->outputs = ensemble != NULL ? ensemble->forest->outputs : model->signature->nclasses > 2 ?
		model->signature->nclasses : 1;
	e->base = ml_alloc_array_zero(ctx, (size_t) e->outputs, sizeof(double));
	if (ensemble != NULL)
	{
		e->trees = tree_shap_create(ctx, ensemble, slots, e->slots);
		if (background != NULL)
			tree_background_set(ctx, e->trees, prepare_rows(ctx, model, background), background->rows);
		for (int c = 0; c < e->outputs; c++)
			e->base[c] = ensemble->base[c] + e->trees->base[c];
		e->whole = ensemble->link == ML_LINK_LOGISTIC ? 0 : 1;
	}
	else if (algorithm->coefficients != NULL)
		set_linear(ctx, e, background);
	else if (algorithm->no_features)
	{
		set_constant(ctx, e);
		e->whole = 1;
	}
	else
		refuse(ctx, model);
	return e;
}

/* ---- what is explained ---- */

MlExplained
ml_explainer_class(const MlExplainer *e, int klass)
{
	MlExplained what = {.klass = klass,.output = e->outputs > 1 ? klass : 0};

	/* two classes of one score: what is for one is against the other */
	what.negated = e->outputs == 1 && klass == 0;
	what.base = what.negated ? e->whole - e->base[0] : e->base[what.output];
	return what;
}

int
ml_explainer_list(MlContext *ctx, const MlExplainer *e, MlExplained **out)
{
	int			classes = e->model->signature->nclasses;
	int			count = classes > 2 ? classes : 1;

	*out = ml_alloc_array(ctx, (size_t) count, sizeof(MlExplained));
	if (classes == 0)
	{
		int			output = e->outputs > 1 ? median_output(e->model) : 0;

		(*out)[0] = (MlExplained) {.klass = -1,.output = output,.base = e->base[output]};
	}
	else if (classes == 2)
		(*out)[0] = ml_explainer_class(e, 1);
	else
		for (int k = 0; k < count; k++)
			(*out)[k] = ml_explainer_class(e, k);
	return count;
}

/* ---- explaining ---- */

/* Rows, rounded up to whole vectors. */
static size_t
padded(size_t n)
{
	return (n + SHAP_LANES - 1) / SHAP_LANES * SHAP_LANES;
}

size_t
ml_explainer_rows(const MlExplainer *e)
{
	/* a cancel is heard between the calls */
	if (e->trees == NULL)
		return ML_BLOCK_ROWS;
	return e->trees->background_rows > 0 ? SHAP_LANES : (size_t) e->trees->groups * SHAP_LANES;
}

size_t
ml_explainer_scratch(const MlExplainer *e, size_t n)
{
	size_t		size = (size_t) ml_prep_columns(e->model->prep) * padded(n) + SHAP_LANES;

	if (e->trees != NULL)
		size += e->trees->background_rows > 0 ? tree_background_scratch(e->trees) : tree_shap_scratch(e->trees);
	return padded(size);
}

/* Add a linear model's contributions. */
static void
add_linear(const MlExplainer *e, int output, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	size_t		columns = (size_t) ml_prep_columns(e->model->prep);

	for (size_t j = 0; j < columns; j++)
	{
		double		coef = e->coef[(size_t) output * columns + j];
		double	   *phi = out + (size_t) e->slot_of_column[j] * ldout;

		for (size_t i = 0; i < n; i++)
			phi[i] += coef * (x[j * ldx + i] - e->mean[j]);
	}
}

void
ml_explain_rows(const MlExplainer *e, const MlExplained *what, int count, const double *raw, size_t ldraw, size_t n,
				double *out, size_t ldout, double *scratch)
{
	size_t		columns = (size_t) ml_prep_columns(e->model->prep);
	size_t		ldx = padded(n);
	double	   *x = scratch;

	scratch += columns * ldx;
	for (size_t s = 0; s < (size_t) count * e->slots; s++)
		memset(out + s * ldout, 0, n * sizeof(double));
	if (e->trees == NULL && e->coef == NULL)
		return;
	ml_prep_apply(e->model->prep, raw, ldraw, n, x, ldx);
	for (size_t j = 0; j < columns; j++)
		for (size_t i = n; i < ldx; i++)
			x[j * ldx + i] = 0;
	for (int c = 0; c < count; c++)
	{
		double	   *phi = out + (size_t) c * e->slots * ldout;

		if (e->trees == NULL)
			add_linear(e, what[c].output, x, ldx, n, phi, ldout);
		else if (e->trees->background_rows > 0)
			tree_background_rows(e->trees, what[c].output, x, ldx, n, phi, ldout, scratch);
		else
			tree_shap_rows(e->trees, what[c].output, x, ldx, n, phi, ldout, scratch);
		if (what[c].negated)
			for (size_t s = 0; s < e->slots; s++)
				for (size_t i = 0; i < n; i++)
					phi[s * ldout + i] = 0 - phi[s * ldout + i];
	}
}

void
ml_shap_interactions(MlContext *ctx, const MlExplainer *e, const MlExplained *what, const double *raw, double *out)
{
	double	   *scratch = ml_alloc_array(ctx, ml_explainer_scratch(e, 1), sizeof(double));
	double	   *phi = ml_alloc_array(ctx, e->slots + 1, sizeof(double));
	double	   *x = ml_alloc_array(ctx, (size_t) ml_prep_columns(e->model->prep) + 1, sizeof(double));

	memset(out, 0, e->slots * e->slots * sizeof(double));
	ml_explain_rows(e, what, 1, raw, 1, 1, phi, 1, scratch);
	ml_check(ctx);
	if (e->trees != NULL)
	{
		ml_prep_apply(e->model->prep, raw, 1, 1, x, 1);
		tree_interactions(ctx, e->trees, what->output, x, out);
	}
	for (size_t s = 0; s < e->slots; s++)
	{
		double		others = 0;

		for (size_t u = 0; u < e->slots; u++)
		{
			if (what->negated)
				out[s * e->slots + u] = 0 - out[s * e->slots + u];
			others += out[s * e->slots + u];
		}
		out[s * e->slots + s] = phi[s] - others;
	}
	ml_free(ctx, x);
	ml_free(ctx, phi);
	ml_free(ctx, scratch);
}
