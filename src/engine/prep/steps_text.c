/*
 * Columns of texts: a column for each term whose weight varies, as text.h makes it.
 *
 * Weights are neither scaled nor centred: the terms of a text add up to a length of one by themselves, and zeros, which
 * most of them are, stay zeros.
 */
#include "prep/prep_internal.h"

/* Why there is no column. */
static const char *
reason_of(const MlTextFit *text, double count)
{
	return count == 0 ? "all NULL" : text->width == 0 ? "no term in enough documents" : "constant";
}

void
prep_fit_text(MlContext *ctx, MlPrep *prep, int f, const MlMoments *moments)
{
	const MlFeature *feature = &prep->features[f];
	const MlTextFit *text = prep->texts[f];
	double		rows = text->documents + text->nulls;
	int			before = prep->ncolumns;
	MlColumnSteps steps;
	bool		indicator;

	ml_column_steps(ctx, &prep->options, feature->name, feature->kind, feature->type, &steps);
	if (steps.drop)
	{
		prep_drop_feature(prep, f, PREP_ASKED);
		return;
	}
	if (steps.impute == ML_IMPUTE_ERROR)
		prep_refuse_nulls(ctx, prep, f, text->nulls, rows);
	for (int s = feature->slot; s < feature->slot + feature->width; s++)
	{
		const MlMoments *m = &moments[s];
		MlPreparedColumn *column;

		if (m->count == 0 || !(m->max > m->min || (m->max != 0 && m->nulls > 0)))
			continue;
		column = prep_add_column(ctx, prep, prep->options.native ? ML_PREPARED_NUMBER : ML_PREPARED_VALUE, f, s);
		/* a NULL has none of the terms, which is what becomes of it: impute stays 0 */
		if (!prep->options.native)
			column->mean = m->mean * m->count / (m->count + m->nulls);
	}
	indicator = steps.indicator >= 0 ? steps.indicator : prep->options.missing_indicator;
	if (indicator && text->nulls > 0 && text->documents > 0 && feature->width > 0)
		prep_add_column(ctx, prep, ML_PREPARED_INDICATOR, f, feature->slot)->mean = text->nulls / rows;
	if (prep->ncolumns == before)
		prep_drop_feature(prep, f, reason_of(text, text->documents));
}
