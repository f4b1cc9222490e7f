/*
 * ml_predict_support: tells the planner what one call of a scoring function costs.
 *
 * A model that is a constant of the query is looked at, be it a value or a name: what scoring
 * costs grows with the columns it is prepared into and with the classes.  The planner may not
 * fail where the query would not, so a name that means no model to the user raises nothing:
 * then the features given tell.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"

#include "utils/builtins.h"

#include "model/composite.h"
#include "pg/cache.h"
#include "pg/modelarg.h"
#include "pg/registry.h"

/* Calling and resolving, then each prepared column, in units of cpu_operator_cost. */
#define CALL_COST 5.0
#define COLUMN_COST 0.25

PG_FUNCTION_INFO_V1(ml_predict_support);

/* Elements of a member, 0 when there is none: bytes that passed the check can be read so. */
static size_t
member_count(const void *bytes, MlSection section, const char *key)
{
	const MlNode *node = ml_node_find(ml_container_section(bytes, section), key);

	return node == NULL ? 0 : ml_node_count(node);
}

/* What a model of so many prepared columns and classes costs a row. */
static double
model_cost(double columns, double classes)
{
	return CALL_COST + COLUMN_COST * columns * Max(classes - 1.0, 1.0);
}

/* The prepared columns that scoring with a model reads: all its members' when it is made of models. */
static double
model_columns(const MlModel *model)
{
	double		columns = 0;

	if (model->composite == NULL)
		return ml_prep_columns(model->prep);
	for (int m = 0; m < model->composite->count; m++)
		columns += model_columns(model->composite->members[m].model);
	return columns;
}

/* What a model value costs a row; negative when its bytes are no model. */
static double
value_cost(Datum datum)
{
	struct varlena *value = PG_DETOAST_DATUM(datum);
	const void *bytes = MODEL_BYTES(value);

	if (ml_container_check(bytes, model_value_size(value)) != NULL)
		return -1.0;
	/* a model made of models has no columns: each member has about as many as it has features */
	return model_cost(member_count(bytes, ML_SECTION_PREPARATION, "kind") +
					  (double) member_count(bytes, ML_SECTION_PAYLOAD, "members") *
					  member_count(bytes, ML_SECTION_SIGNATURE, "features"),
					  member_count(bytes, ML_SECTION_SIGNATURE, "classes"));
}

/*
 * What the model of a name costs a row; negative when there is none that the user may use.  It is
 * opened into the cache, where the query finds it.
 */
static double
name_cost(Datum name)
{
	RegistryVersion found;
	const MlModel *model;

	if (!registry_try_resolve(TextDatumGetCString(name), REGISTRY_PREDICT, &found))
		return -1.0;
	model = cache_model(&found, CurrentMemoryContext);
	return model_cost(model_columns(model), model->signature->nclasses);
}

/* What a call costs a row by its arguments; negative when there is nothing to tell. */
static double
call_cost(List *args)
{
	Node	   *model = linitial(args);
	double		cost;

	if (IsA(model, Const))
	{
		const Const *constant = (const Const *) model;

		if (constant->constisnull)
			return CALL_COST;
		if (exprType(model) != TEXTOID)
			return value_cost(constant->constvalue);
		cost = name_cost(constant->constvalue);
		if (cost >= 0.0)
			return cost;
	}
	if (list_length(args) > 3)
		return CALL_COST + COLUMN_COST * (list_length(args) - 1);
	return -1.0;
}

/* The support function of ml_predict and its like; NULL leaves the planner its default. */
Datum
ml_predict_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	SupportRequestCost *cost;
	double		units;

	if (!IsA(request, SupportRequestCost))
		PG_RETURN_POINTER(NULL);
	cost = (SupportRequestCost *) request;
	if (cost->node == NULL || !IsA(cost->node, FuncExpr) || ((FuncExpr *) cost->node)->args == NIL)
		PG_RETURN_POINTER(NULL);
	units = call_cost(((FuncExpr *) cost->node)->args);
	if (units < 0.0)
		PG_RETURN_POINTER(NULL);
	cost->startup = 0.0;
	cost->per_tuple = units * cpu_operator_cost;
	PG_RETURN_POINTER(cost);
}
