/*
 * Products of numbers: interactions that are named, and all of a polynomial.  A factor is what a column has become
 * by its steps, scaled where preprocess says so.
 */
#include <string.h>

#include "prep/steps_internal.h"

#define MAX_PRODUCTS 10000

/* The number that a feature has become, for a product. */
static const MlTerm *
need_number(StepFit *fit, int f)
{
	const MlFeature *feature = &fit->prep->features[f];
	MlTerm	   *output = &fit->outputs[f];

	if (output->count == 0)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(fit->ctx, "column \"%s\" is not one number that could be multiplied", feature->name),
					  "It is left out, constant, an array, or in several columns.",
					  "Categories become one number by encodings such as \"target\" or \"ordinal\".");
	return output;
}

/* A number without steps of its own is one for products too. */
static void
complete_outputs(StepFit *fit)
{
	for (int j = 0; j < fit->prep->ncolumns; j++)
	{
		const MlPreparedColumn *c = &fit->prep->columns[j];
		const MlFeature *feature = &fit->prep->features[c->feature];
		MlTerm	   *output = &fit->outputs[c->feature];

		if (c->term >= 0 || feature->kind != ML_KIND_NUMBER ||
			(c->kind != ML_PREPARED_VALUE && c->kind != ML_PREPARED_NUMBER))
			continue;
		*output = (MlTerm) {.name = feature->name,.count = 1,.factors = ml_alloc_zero(fit->ctx, sizeof(MlFactorOf))};
		output->factors[0].slot = c->slot;
	}
}

/* "a*b^2", of features in ascending order. */
static const char *
product_name(StepFit *fit, const int *features, int n)
{
	const char *name = "";

	for (int i = 0; i < n;)
	{
		int			power = 1;

		while (i + power < n && features[i + power] == features[i])
			power++;
		name = ml_format(fit->ctx, power > 1 ? "%s%s%s^%d" : "%s%s%s", name, i > 0 ? "*" : "",
						 need_number(fit, features[i])->name, power);
		i += power;
	}
	return name;
}

/* The column of a product of the features' numbers. */
static void
add_product(StepFit *fit, const int *features, int n)
{
	MlPrep	   *prep = fit->prep;
	bool		native = prep->options.native;
	MlTerm		term = {.name = product_name(fit, features, n),.count = n};
	MlMoments	m;
	MlPreparedColumn *column;

	term.factors = ml_alloc_array(fit->ctx, (size_t) n, sizeof(MlFactorOf));
	for (int i = 0; i < n; i++)
		term.factors[i] = need_number(fit, features[i])->factors[0];
	for (size_t i = 0; i < fit->training->n; i += ML_TERM_ROWS)
	{
		FitBlock	block = fit_block(fit, i);

		ml_term_apply(&term, &block.block,
					  fit->training->n - i < ML_TERM_ROWS ? fit->training->n - i : ML_TERM_ROWS, fit->values + i);
	}
	ml_check(fit->ctx);
	m = fit_moments(fit, fit->values);
	if (m.count == 0 || !(m.max > m.min || (native && m.nulls > 0)))
		return;
	prep_check_range(fit->ctx, term.name, &m);
	column = prep_add_column(fit->ctx, prep, native ? ML_PREPARED_NUMBER : ML_PREPARED_VALUE, features[0],
							 term.factors[0].slot);
	column->term = fit_keep_term(fit, term);
	if (native)
		return;
	column->impute = column->mean = m.mean;
	if (prep->options.scale)
		prep_standardize(column, &m);
}

static void
add_named(StepFit *fit, json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
	{
		int			features[ML_TERM_MAX_FACTORS];
		int			n;
		const char **names = ml_prep_names(fit->ctx, "interactions", json_object_array_get_idx(list, i), &n);

		for (int k = 0; k < n; k++)
			features[k] = fit_need_feature(fit, names[k]);
		add_product(fit, features, n);
	}
}

/* All products of a degree of the columns from the first on, after those chosen already. */
static void
add_degree(StepFit *fit, const int *columns, int ncolumns, int first, bool distinct, int *chosen, int n, int degree,
		   int *made)
{
	if (n == degree)
	{
		if (++*made > MAX_PRODUCTS)
			ml_raise_full(fit->ctx, ML_ERROR_INVALID_PARAMETER, "the polynomial of preprocess has too many terms",
						  ml_format(fit->ctx, "There may be %d.", MAX_PRODUCTS),
						  "Name fewer \"columns\", or choose a lower \"degree\".");
		add_product(fit, chosen, n);
		return;
	}
	for (int c = first; c < ncolumns; c++)
	{
		chosen[n] = columns[c];
		add_degree(fit, columns, ncolumns, distinct ? c + 1 : c, distinct, chosen, n + 1, degree, made);
	}
}

static void
add_polynomial(StepFit *fit, const MlPolynomial *polynomial)
{
	const MlPrep *prep = fit->prep;
	int			most = prep->nfeatures > polynomial->ncolumns ? prep->nfeatures : polynomial->ncolumns;
	int		   *columns = ml_alloc_array(fit->ctx, (size_t) most + 1, sizeof(int));
	int			chosen[ML_TERM_MAX_FACTORS];
	int			n = 0;
	int			made = 0;

	if (polynomial->columns != NULL)
		for (int c = 0; c < polynomial->ncolumns; c++)
		{
			columns[n] = fit_need_feature(fit, polynomial->columns[c]);
			need_number(fit, columns[n++]);
		}
	else
		for (int f = 0; f < prep->nfeatures; f++)
			if (fit->outputs[f].count > 0)
				columns[n++] = f;
	for (int degree = 2; degree <= polynomial->degree; degree++)
		add_degree(fit, columns, n, 0, polynomial->interaction_only, chosen, 0, degree, &made);
	ml_free(fit->ctx, columns);
}

void
fit_interactions(StepFit *fit)
{
	json_object *list = json_object_object_get(fit->prep->options.steps, "interactions");
	json_object *object = json_object_object_get(fit->prep->options.steps, "polynomial");
	MlPolynomial polynomial;

	complete_outputs(fit);
	if (list != NULL)
		add_named(fit, list);
	if (object == NULL)
		return;
	ml_prep_polynomial(fit->ctx, object, &polynomial);
	add_polynomial(fit, &polynomial);
}
