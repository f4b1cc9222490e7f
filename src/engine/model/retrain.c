#include "model/retrain.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"

/* ---- lineage ---- */

void
ml_lineage_write(MlContext *ctx, MlWriter *w, const MlModel *parent, const MlLineage *lineage)
{
	const MlNode *before = ml_node_find(ml_container_section(parent->bytes, ML_SECTION_SUMMARY), "edits");

	ml_write_list(w, "edits");
	for (size_t i = 0; before != NULL && ml_node_type(before) == ML_NODE_LIST && i < ml_node_count(before); i++)
		ml_write_node(w, NULL, ml_node_at(before, i));
	ml_write_object(w, NULL);
	ml_write_string(w, "operation", lineage->operation);
	if (lineage->argument != NULL && lineage->integer)
		ml_write_int(w, lineage->argument, (int64_t) lineage->value);
	else if (lineage->argument != NULL)
		ml_write_double(w, lineage->argument, lineage->value);
	if (lineage->parent != NULL)
		ml_write_string(w, "parent", lineage->parent);
	ml_write_string(w, "parent_checksum", ml_format(ctx, "%016" PRIx64, ml_container_checksum(parent->bytes)));
	ml_write_end(w);
	ml_write_end(w);
}

/* ---- what is asked for ---- */

bool
ml_retrain_possible(const MlModel *from)
{
	const MlAlgorithm *algorithm = from->algorithm;

	return algorithm->resume != NULL && (algorithm->resumable == NULL || algorithm->resumable(from->loaded));
}

void
ml_retrain_check(MlContext *ctx, const MlRetrain *retrain)
{
	const MlAlgorithm *algorithm = retrain->from->algorithm;

	if (retrain->kind == ML_RETRAIN_CONTINUE ? algorithm->resume == NULL : algorithm->refit == NULL)
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED,
					  ml_format(ctx, "a model of algorithm \"%s\" cannot be %s", algorithm->name,
								retrain->kind == ML_RETRAIN_CONTINUE ? "continued" : "refitted"), NULL,
					  "Train a new version with ml_train.");
	if (retrain->kind == ML_RETRAIN_CONTINUE && !ml_retrain_possible(retrain->from))
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED, "the model has not kept what a training could go on from",
					  "It has too many columns, or was made by an earlier version of mlaas.",
					  "Train a new version with ml_train.");
	if (retrain->kind == ML_RETRAIN_REFIT && !(retrain->decay_rate >= 0 && retrain->decay_rate <= 1))
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(ctx, "decay_rate is out of range: %g", retrain->decay_rate),
					  "It must be at least 0 and at most 1.", "It is the share of the old values that stays.");
}

/* Raises for parameters that would have prepared the columns otherwise. */
static void
check_scaling(MlContext *ctx, const MlModel *from, const void *params)
{
	bool		(*wants) (const void *) = from->algorithm->wants_scaling;

	if (wants != NULL && wants(params) != wants(from->params))
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  "these parameters need columns of another scale than the model has", NULL,
					  "Leave them as they were, or train a model of its own.");
}

/* The criterion that a parameter of a forest names: auto is the one of the task. */
static const char *
criterion_of(const MlModel *from, json_object *value)
{
	const char *name = json_object_get_string(value);

	if (name == NULL || strcmp(name, "auto") == 0)
		return from->signature->task == ML_TASK_REGRESSION ? "squared_error" : "gini";
	return name;
}

const char *
ml_retrain_params(MlContext *ctx, const MlModel *from, const char *json)
{
	const char *old = ml_node_to_json(ctx, ml_container_section(from->bytes, ML_SECTION_PARAMETERS), true);
	json_object *params = ml_json_object(ctx, old, "params");
	json_object *given = ml_json_object(ctx, json, "params");
	json_object *before;
	const char *merged;

	json_object_object_foreach(given, key, value)
	{
		/* trees of two criteria would be means of different things */
		if (strcmp(key, "criterion") == 0 && json_object_object_get_ex(params, key, &before) &&
			strcmp(criterion_of(from, value), criterion_of(from, before)) != 0)
			ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "parameter \"criterion\" cannot differ from the model's",
						  NULL, "Leave it out, or train a model of its own.");
		json_object_object_add(params, key, json_object_get(value));
	}
	merged = ml_json_text(ctx, params);
	check_scaling(ctx, from, ml_params_parse(ctx, from->algorithm, merged));
	return merged;
}

/* ---- rows ---- */

void
ml_retrain_features(MlContext *ctx, const MlModel *from, const MlTable *table)
{
	const MlSignature *s = from->signature;

	for (int f = 0; f < s->nfeatures; f++)
	{
		const MlFeature *feature = &s->features[f];
		const MlColumn *column = table->columns[f];

		if (column->kind != feature->kind)
			ml_raise_full(ctx, ML_ERROR_WRONG_TYPE,
						  ml_format(ctx, "feature \"%s\" must be a %s, not a %s", feature->name,
									ml_kind_name(feature->kind), ml_kind_name(column->kind)),
						  ml_format(ctx, "In training it was of type %s.", feature->type),
						  "Cast the column in a query.");
		if (column->nulls > 0 && ml_prep_refuses_null(from->prep, f))
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA, ml_format(ctx, "feature \"%s\" is NULL", feature->name),
						  "The preparation refuses that: it imputes by \"error\".", "Fill or filter these rows.");
		/* a vector that is NULL in all rows has no width */
		if (column->kind == ML_KIND_VECTOR && column->width != feature->width && column->nulls < column->rows)
			ml_raise(ctx, ML_ERROR_INVALID_DATA, "feature \"%s\" must have %d elements, not %d", feature->name,
					 feature->width, column->width);
	}
}

/* Raises where the positive class is to be another than that of the model. */
static void
check_positive(MlContext *ctx, const MlSignature *s, const char *positive)
{
	const char *own = s->nclasses == 2 ? s->class_labels[1] : NULL;

	if (own == NULL || strcmp(own, positive) != 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(ctx, "\"positive\" of validation cannot be \"%s\" for this model", positive),
					  own == NULL ? "It does not predict one of two classes." :
					  ml_format(ctx, "Its positive class is \"%s\", which it keeps when it learns on.", own),
					  "Leave it out, or train a model of its own with ml_train.");
}

void
ml_retrain_target(MlContext *ctx, const MlTrainSpec *spec, const char *name, MlTarget *target)
{
	const MlModel *from = spec->retrain->from;
	const MlSignature *s = from->signature;
	int		   *class_of;

	if (spec->positive != NULL)
		check_positive(ctx, s, spec->positive);
	if (ml_task_is_number(target->task) || ml_task_is_number(s->task))
	{
		if (target->task != s->task)
			ml_raise_full(ctx, ML_ERROR_WRONG_TYPE, ml_format(ctx, "target column \"%s\" does not fit the model", name),
						  ml_format(ctx, "The model is one for %s, the column for %s.", ml_task_name(s->task),
									ml_task_name(target->task)), NULL);
		return;
	}
	class_of = ml_alloc_array(ctx, (size_t) target->nclasses, sizeof(int));
	for (int k = 0; k < target->nclasses; k++)
	{
		class_of[k] = ml_model_find_class(from, target->labels[k], strlen(target->labels[k]));
		if (class_of[k] < 0)
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
						  ml_format(ctx, "target column \"%s\" has a class that the model does not know", name),
						  ml_format(ctx, "The class is \"%s\".", target->labels[k]),
						  "Leave its rows out in a query, or train a new version with ml_train.");
	}
	for (size_t i = 0; i < target->n; i++)
		target->values[i] = class_of[(int) target->values[i]];
	target->nclasses = s->nclasses;
	target->labels = s->class_labels;
	target->label_values = s->class_values;
	target->task = s->task;
}

void
ml_retrain_fit(MlContext *ctx, const MlRetrain *retrain, const MlDesign *design, const void *params, MlWriter *payload)
{
	const MlModel *from = retrain->from;

	if (retrain->kind == ML_RETRAIN_CONTINUE)
		from->algorithm->resume(ctx, design, params, from->loaded, payload);
	else
		from->algorithm->refit(ctx, design, params, from->loaded, retrain->decay_rate, payload);
}
