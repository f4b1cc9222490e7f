/*
 * Opening a model, scoring with it, telling what it is.
 */
#include "model/model.h"

#include <math.h>
#include <string.h>

#include "model/composite.h"

/* ---- signature ---- */

void
ml_signature_write(MlWriter *w, const MlSignature *signature)
{
	ml_write_string(w, "target", signature->target);
	ml_write_int(w, "target_kind", signature->target_kind);
	ml_write_int(w, "task", signature->task);
	ml_write_list(w, "classes");
	for (int k = 0; k < signature->nclasses; k++)
		ml_write_string(w, NULL, signature->class_labels[k]);
	ml_write_end(w);
	ml_write_f64s(w, "class_values", signature->class_values, (size_t) signature->nclasses);
	ml_write_list(w, "features");
	for (int f = 0; f < signature->nfeatures; f++)
	{
		ml_write_object(w, NULL);
		ml_write_string(w, "name", signature->features[f].name);
		ml_write_int(w, "kind", signature->features[f].kind);
		ml_write_string(w, "type", signature->features[f].type);
		ml_write_int(w, "width", signature->features[f].width);
		ml_write_end(w);
	}
	ml_write_end(w);
}

static void
corrupted(MlContext *ctx, const char *what)
{
	ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: %s", what);
}

/* The classes, as many as the task has, labels distinct from one to the next. */
static void
read_classes(MlContext *ctx, const MlNode *object, MlSignature *s)
{
	const MlNode *list = ml_need(ctx, object, "classes", ML_NODE_LIST);
	size_t		n = ml_node_count(list);
	const double *values = ml_need_f64s(ctx, object, "class_values", (int64_t) n);

	if (n > INT16_MAX || (ml_task_is_number(s->task) ? n != 0 : s->task == ML_TASK_BINARY ? n != 2 : n < 3))
		corrupted(ctx, "the number of classes does not fit the task");
	s->nclasses = (int) n;
	s->class_labels = ml_alloc_array(ctx, n + 1, sizeof(char *));
	s->class_values = ml_alloc_array(ctx, n + 1, sizeof(double));
	for (size_t k = 0; k < n; k++)
	{
		const MlNode *node = ml_node_at(list, k);

		if (ml_node_type(node) != ML_NODE_STRING)
			corrupted(ctx, "a class is not a string");
		s->class_labels[k] = ml_node_string(node);
		s->class_values[k] = values[k];
		if (k > 0 && strcmp(s->class_labels[k], s->class_labels[k - 1]) == 0)
			corrupted(ctx, "two classes with one label");
	}
}

static void
read_features(MlContext *ctx, const MlNode *object, MlSignature *s)
{
	const MlNode *list = ml_need(ctx, object, "features", ML_NODE_LIST);
	size_t		n = ml_node_count(list);
	int64_t		slots = 0;

	if (n > INT16_MAX)
		corrupted(ctx, "too many features");
	s->nfeatures = (int) n;
	s->features = ml_alloc_array_zero(ctx, n + 1, sizeof *s->features);
	for (size_t f = 0; f < n; f++)
	{
		const MlNode *node = ml_node_at(list, f);
		MlFeature  *feature = &s->features[f];

		if (ml_node_type(node) != ML_NODE_OBJECT)
			corrupted(ctx, "a feature is not an object");
		feature->name = ml_need_string(ctx, node, "name");
		feature->kind = (MlKind) ml_need_int(ctx, node, "kind", ML_KIND_NUMBER, ML_KIND_TEXT);
		feature->type = ml_need_string(ctx, node, "type");
		feature->width = (int) ml_need_int(ctx, node, "width", 0, 1 << 24);
		feature->slot = (int) slots;
		if (feature->kind != ML_KIND_VECTOR && feature->kind != ML_KIND_TEXT && feature->width != 1)
			corrupted(ctx, "a feature of the wrong width");
		slots += feature->width;
	}
	if (slots > 1 << 24)
		corrupted(ctx, "too many feature values");
	s->slots = (int) slots;
}

static MlSignature *
read_signature(MlContext *ctx, const MlNode *object)
{
	MlSignature *s = ml_alloc_zero(ctx, sizeof *s);
	int64_t		task = ml_need_int(ctx, object, "task", 1, ML_TASK_ANOMALY);

	if ((task & (task - 1)) != 0)
		corrupted(ctx, "an unknown task");
	s->task = (MlTaskKind) task;
	s->target = ml_need_string(ctx, object, "target");
	s->target_kind = (MlTargetKind) ml_need_int(ctx, object, "target_kind", ML_TARGET_NUMBER, ML_TARGET_NONE);
	if ((s->target_kind == ML_TARGET_NONE) != (s->task == ML_TASK_ANOMALY))
		corrupted(ctx, "a target that does not fit the task");
	if ((s->task == ML_TASK_REGRESSION || s->task == ML_TASK_RANKING) && s->target_kind != ML_TARGET_NUMBER)
		corrupted(ctx, "a regression whose target is no number");
	read_classes(ctx, object, s);
	read_features(ctx, object, s);
	return s;
}

/* ---- opening and scoring ---- */

MlModel *
ml_model_open_sections(MlContext *ctx, const MlAlgorithm *algorithm, const MlNode *const *sections, int depth)
{
	MlModel    *model = ml_alloc_zero(ctx, sizeof *model);
	MlSignature *signature;

	memcpy(model->sections, sections, sizeof model->sections);
	model->algorithm = algorithm;
	signature = read_signature(ctx, sections[ML_SECTION_SIGNATURE]);
	if (!algorithm->composite && !algorithm->transforms && !(algorithm->tasks & signature->task))
		corrupted(ctx, "its algorithm does not have its task");
	model->signature = signature;
	model->prep = ml_prep_read(ctx, sections[ML_SECTION_PREPARATION], signature->features, signature->nfeatures);
	model->params = ml_params_read(ctx, algorithm, sections[ML_SECTION_PARAMETERS]);
	ml_model_shape(model);
	model->decision = ml_decision_read(ctx, sections[ML_SECTION_SUMMARY], signature->nclasses);
	if (algorithm->composite)
		model->composite = ml_composite_read(ctx, model, depth);
	else
		model->loaded = algorithm->load(ctx, sections[ML_SECTION_PAYLOAD], &model->shape);
	return model;
}

MlModel *
ml_model_open(MlContext *ctx, const void *bytes, size_t size)
{
	const char *reason = ml_container_check(bytes, size);
	const MlNode *sections[ML_SECTION_LAST + 1] = {NULL};
	const MlAlgorithm *algorithm;
	MlModel    *model;

	if (reason != NULL)
		corrupted(ctx, reason);
	algorithm = ml_algorithm_by_id(ml_container_algorithm(bytes));
	if (algorithm == NULL)
		ml_raise_full(ctx, ML_ERROR_CORRUPTED,
					  ml_format(ctx, "model uses algorithm number %u, which this version does not know",
								ml_container_algorithm(bytes)), NULL,
					  "It may have been written by a later version of mlaas.");
	for (int id = 1; id <= ML_SECTION_LAST; id++)
		sections[id] = ml_container_section(bytes, (MlSection) id);
	model = ml_model_open_sections(ctx, algorithm, sections, 0);
	model->bytes = bytes;
	model->size = size;
	return model;
}

void
ml_model_shape(MlModel *model)
{
	model->shape.columns = ml_prep_columns(model->prep);
	model->shape.task = model->signature->task;
	model->shape.classes = model->signature->nclasses;
	model->shape.center = ml_prep_centers(model->prep);
	model->shape.scale = ml_prep_scales(model->prep);
	model->shape.levels = ml_prep_levels(model->prep);
}

int
ml_model_outputs(const MlModel *model)
{
	return model->signature->nclasses > 0 ? model->signature->nclasses : 1;
}

size_t
ml_model_scratch(const MlModel *model, size_t n)
{
	if (model->composite != NULL)
		return ml_composite_scratch(model, n);
	return (size_t) model->shape.columns * n + 1;
}

void
ml_model_score(const MlModel *model, const double *raw, size_t ldraw, size_t n,
			   double *out, size_t ldout, double *scratch)
{
	if (model->composite != NULL)
	{
		ml_composite_score(model, raw, ldraw, n, out, ldout, scratch);
		return;
	}
	if (!model->algorithm->no_features)
		ml_prep_apply(model->prep, raw, ldraw, n, scratch, n);
	model->algorithm->score(model->loaded, scratch, n, n, out, ldout);
}

int
ml_model_quantiles(const MlModel *model, const double **levels)
{
	return model->algorithm->quantiles != NULL ? model->algorithm->quantiles(model->loaded, levels) : 0;
}

void
ml_model_score_quantiles(const MlModel *model, const double *raw, size_t ldraw, size_t n,
						 double *out, size_t ldout, double *scratch)
{
	ml_prep_apply(model->prep, raw, ldraw, n, scratch, n);
	model->algorithm->score_quantiles(model->loaded, scratch, n, n, out, ldout);
}

int
ml_model_class(const MlModel *model, const double *p, size_t ldp)
{
	int			best = 0;

	if (model->decision != NULL)
		return ml_decide(model->decision, p, ldp);
	for (int k = 1; k < model->signature->nclasses; k++)
		if (p[(size_t) k * ldp] > p[(size_t) best * ldp])
			best = k;
	return best;
}

int
ml_model_find_class(const MlModel *model, const char *label, size_t length)
{
	for (int k = 0; k < model->signature->nclasses; k++)
		if (strlen(model->signature->class_labels[k]) == length &&
			memcmp(model->signature->class_labels[k], label, length) == 0)
			return k;
	return -1;
}

bool
ml_signature_same_classes(const MlSignature *a, const MlSignature *b)
{
	bool		same = a->nclasses == b->nclasses;

	for (int k = 0; same && k < a->nclasses; k++)
		same = strcmp(a->class_labels[k], b->class_labels[k]) == 0;
	return same;
}

/* ---- describing ---- */

#define SMALL_PAYLOAD (64 * 1024)

const char *
ml_task_name(MlTaskKind task)
{
	switch (task)
	{
		case ML_TASK_REGRESSION:
			return "regression";
		case ML_TASK_BINARY:
			return "binary";
		case ML_TASK_MULTICLASS:
			return "multiclass";
		case ML_TASK_RANKING:
			return "ranking";
		case ML_TASK_ANOMALY:
			return "anomaly";
	}
	return "unknown";
}

const char *
ml_kind_name(MlKind kind)
{
	return kind == ML_KIND_NUMBER ? "number" : kind == ML_KIND_CATEGORY ? "category" : kind == ML_KIND_TEXT ? "text" :
		"vector";
}

/* The signature in words instead of stored numbers. */
static void
describe_signature(MlWriter *w, const MlSignature *s, bool transforms)
{
	if (!transforms)
		ml_write_string(w, "task", ml_task_name(s->task));
	if (s->target_kind != ML_TARGET_NONE)
		ml_write_string(w, "target", s->target);
	if (s->nclasses > 0)
	{
		ml_write_list(w, "classes");
		for (int k = 0; k < s->nclasses; k++)
			ml_write_string(w, NULL, s->class_labels[k]);
		ml_write_end(w);
	}
	ml_write_list(w, "features");
	for (int f = 0; f < s->nfeatures; f++)
	{
		ml_write_object(w, NULL);
		ml_write_string(w, "name", s->features[f].name);
		ml_write_string(w, "kind", ml_kind_name(s->features[f].kind));
		ml_write_string(w, "type", s->features[f].type);
		if (s->features[f].kind == ML_KIND_VECTOR || s->features[f].kind == ML_KIND_TEXT)
			ml_write_int(w, "width", s->features[f].width);
		ml_write_end(w);
	}
	ml_write_end(w);
}

/* How features that are texts became terms. */
static void
describe_texts(MlWriter *w, const MlPrep *prep, const MlSignature *s)
{
	bool		any = false;

	for (int f = 0; f < s->nfeatures; f++)
		any |= s->features[f].kind == ML_KIND_TEXT;
	if (!any)
		return;
	ml_write_list(w, "texts");
	for (int f = 0; f < s->nfeatures; f++)
		if (s->features[f].kind == ML_KIND_TEXT)
		{
			ml_write_object(w, NULL);
			ml_write_string(w, "feature", s->features[f].name);
			ml_text_describe(w, ml_prep_text(prep, f));
			ml_write_end(w);
		}
	ml_write_end(w);
}

/* What became of the features. */
static void
describe_preparation(MlWriter *w, const MlPrep *prep, const MlSignature *s, const MlNode *stored)
{
	const char *const *names;
	const char *const *reasons;
	int			ndropped = ml_prep_dropped(prep, &names, &reasons);

	ml_write_object(w, "preparation");
	ml_write_node(w, "options", ml_node_find(stored, "options"));
	describe_texts(w, prep, s);
	ml_write_list(w, "columns");
	for (int j = 0; j < ml_prep_columns(prep); j++)
	{
		const MlPreparedColumn *c = ml_prep_column(prep, j);
		const MlTextFit *text = ml_prep_text(prep, c->feature);

		ml_write_object(w, NULL);
		ml_write_string(w, "name", c->name);
		if (ml_prep_term(prep, j) != NULL)
			ml_term_describe(w, ml_prep_term(prep, j));
		if (text != NULL && text->idf != NULL && c->kind != ML_PREPARED_INDICATOR)
			ml_write_double(w, "idf", text->idf[c->slot - s->features[c->feature].slot]);
		if (c->kind == ML_PREPARED_VALUE)
		{
			ml_write_double(w, "impute", c->impute);
			ml_write_double(w, "center", c->center);
			ml_write_double(w, "scale", c->scale);
		}
		if (c->kind == ML_PREPARED_CATEGORY)
		{
			ml_write_list(w, "levels");
			for (int level = 0; level < ml_prep_levels(prep)[j]; level++)
				ml_write_string(w, NULL, ml_prep_level_name(prep, j, level));
			ml_write_end(w);
		}
		ml_write_end(w);
	}
	ml_write_end(w);
	ml_write_list(w, "dropped");
	for (int i = 0; i < ndropped; i++)
	{
		ml_write_object(w, NULL);
		ml_write_string(w, "feature", names[i]);
		ml_write_string(w, "reason", reasons[i]);
		ml_write_end(w);
	}
	ml_write_end(w);
	ml_write_end(w);
}

/* What was learned, but for what only another training has a use for; of a large model its statistics alone. */
static void
describe_learned(MlWriter *w, const MlNode *payload, bool all)
{
	if (!all && ml_node_find(payload, "statistics") == NULL)
		return;
	ml_write_object(w, "learned");
	for (size_t i = 0; i < ml_node_count(payload); i++)
		if (all ? strcmp(ml_node_key(payload, i), "state") != 0 : strcmp(ml_node_key(payload, i), "statistics") == 0)
			ml_write_node(w, ml_node_key(payload, i), ml_node_at(payload, i));
	ml_write_end(w);
}

char *
ml_model_describe(MlContext *ctx, const MlModel *model)
{
	const MlNode *payload = model->sections[ML_SECTION_PAYLOAD];
	const MlNode *history = ml_node_find(payload, "history");
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_write_string(w, "algorithm", model->algorithm->name);
	describe_signature(w, model->signature, model->algorithm->transforms);
	ml_write_node(w, "parameters", model->sections[ML_SECTION_PARAMETERS]);
	if (model->composite != NULL)
		ml_composite_describe(w, model);
	else
		describe_preparation(w, model->prep, model->signature, model->sections[ML_SECTION_PREPARATION]);
	ml_write_node(w, "training", model->sections[ML_SECTION_SUMMARY]);
	/* of a training that watched the rows held out: their loss by round */
	if (history != NULL && ml_node_count(history) > 0)
		ml_write_node(w, "history", history);
	if (model->composite == NULL)
		describe_learned(w, payload, model->size <= SMALL_PAYLOAD);
	ml_write_int(w, "format_version", ML_FORMAT_VERSION);
	ml_write_int(w, "bytes", (int64_t) model->size);
	return ml_node_to_json(ctx, ml_document_root(ml_writer_finish(w, &size)), true);
}
