#include "model/assemble.h"

#include <inttypes.h>

#include "model/automatic.h"
#include "model/conformal.h"
#include "model/folds.h"
#include "model/retrain.h"

static void
write_metrics(MlWriter *w, const char *key, const MlMetric *metrics, int n)
{
	ml_write_object(w, key);
	for (int i = 0; i < n; i++)
		ml_write_double(w, metrics[i].name, metrics[i].value);
	ml_write_end(w);
}

/* The figures of every fold of a cross-validation, and how far they spread. */
static void
write_folds(MlWriter *w, const MlTrainSpec *spec)
{
	MlMetric	means[ML_MAX_METRICS];
	double		deviations[ML_MAX_METRICS];
	int			n = ml_folds_mean(spec->folds, spec->nfolds, false, means, deviations);

	ml_write_int(w, "n_folds", spec->split.folds);
	ml_write_int(w, "n_repeats", spec->split.repeats);
	ml_write_object(w, "metrics_sd");
	for (int i = 0; i < n; i++)
		ml_write_double(w, means[i].name, deviations[i]);
	ml_write_end(w);
	ml_write_list(w, "folds");
	for (int f = 0; f < spec->nfolds; f++)
	{
		ml_write_object(w, NULL);
		ml_write_int(w, "repeat", spec->folds[f].repeat);
		ml_write_int(w, "fold", spec->folds[f].fold);
		ml_write_int(w, "n_train", (int64_t) spec->folds[f].n_train);
		ml_write_int(w, "n_test", (int64_t) spec->folds[f].n_test);
		write_metrics(w, "metrics", spec->folds[f].metrics, spec->folds[f].nmetrics);
		write_metrics(w, "baseline", spec->folds[f].baseline, spec->folds[f].nbaseline);
		ml_write_end(w);
	}
	ml_write_end(w);
}

/* How it was trained: nothing that differs between two trainings of the same rows. */
static MlSectionBytes
summary_section(MlContext *ctx, const MlTrainSpec *spec, const MlTrainResult *result)
{
	static const char *const splits[] = {"stratified", "random", "last", "column", "group", "none"};
	static const char *const samplings[] = {"none", "under", "over", "smote"};
	const MlSplit *split = &spec->split;
	bool		by_share = split->kind != ML_SPLIT_NONE && split->kind != ML_SPLIT_COLUMN && split->folds == 0 &&
		!split->has_after;
	MlWriter   *w = ml_writer_create(ctx);

	ml_write_int(w, "n_train", (int64_t) result->n_train);
	ml_write_int(w, "n_test", (int64_t) result->n_test);
	ml_write_int(w, "n_skipped", (int64_t) result->n_skipped);
	ml_write_string(w, "metrics_on",
					spec->nfolds > 0 ? "folds" : result->held_out ? "held-out rows" : "training rows");
	write_metrics(w, "metrics", result->metrics, result->nmetrics);
	write_metrics(w, "baseline", result->baseline, result->nbaseline);
	ml_write_string(w, "split", splits[split->kind]);
	ml_write_double(w, "test_size", by_share ? split->test_size : 0);
	ml_write_int(w, "seed", (int64_t) split->seed);
	if (spec->sampling != ML_SAMPLING_NONE)
	{
		ml_write_string(w, "sampling", samplings[spec->sampling]);
		ml_write_double(w, "sampling_ratio", spec->sampling_ratio);
	}
	ml_write_string(w, "row_digest", ml_format(ctx, "%016" PRIx64 "%016" PRIx64, result->digest.sum,
											   result->digest.sum_inverse));
	if (spec->transform_name != NULL)
		ml_write_string(w, "transform", spec->transform_name);
	if (spec->validation != NULL)
		ml_write_string(w, "validation", spec->validation);
	if (spec->weight_name != NULL)
		ml_write_string(w, "weight", spec->weight_name);
	if (result->decision != NULL)
		ml_decision_write(w, result->decision);
	if (result->nscores > 0)
		ml_calibration_write(ctx, w, result->scores, result->weights, result->nscores);
	if (spec->nfolds > 0)
		write_folds(w, spec);
	if (result->choice != NULL)
		ml_auto_write(w, result->choice);
	if (spec->retrain != NULL)
		ml_lineage_write(ctx, w, spec->retrain->from, &spec->retrain->lineage);
	return ml_section_finish(w);
}

void
ml_assemble(MlContext *ctx, const MlAssembly *parts, const MlTrainSpec *spec, MlTrainResult *result)
{
	MlSectionBytes sections[ML_SECTION_LAST + 1] = {0};
	MlWriter   *w = ml_writer_create(ctx);

	ml_signature_write(w, parts->signature);
	sections[ML_SECTION_SIGNATURE] = ml_section_finish(w);
	w = ml_writer_create(ctx);
	ml_prep_write(ctx, w, parts->prep);
	sections[ML_SECTION_PREPARATION] = ml_section_finish(w);
	w = ml_writer_create(ctx);
	ml_params_write(w, parts->algorithm, parts->params);
	sections[ML_SECTION_PARAMETERS] = ml_section_finish(w);
	sections[ML_SECTION_SUMMARY] = summary_section(ctx, spec, result);
	sections[ML_SECTION_PAYLOAD] = parts->payload;
	result->params_json = ml_node_to_json(ctx, ml_document_root(sections[ML_SECTION_PARAMETERS].bytes), true);
	result->bytes = ml_container_build(ctx, parts->algorithm->id, sections, &result->size);
	/* what could not be opened later must not be stored now */
	ml_model_open(ctx, result->bytes, result->size);
}
