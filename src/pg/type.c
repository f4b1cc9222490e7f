/*
 * Type ml_model: a model as a value.
 *
 * On disk: a varlena whose payload is the engine's bytes, 8-byte aligned (host.h).  Text form:
 * the engine's JSON, from which the same bytes come back.  Binary form: the bytes.
 * Whatever comes in is checked whole, by the container's check and by opening the model,
 * and its strings are checked against the database's encoding, which the engine does
 * not know.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "model/model.h"
#include "pg/host.h"
#include "pg/modelarg.h"

PG_FUNCTION_INFO_V1(ml_model_in);
PG_FUNCTION_INFO_V1(ml_model_out);
PG_FUNCTION_INFO_V1(ml_model_recv);
PG_FUNCTION_INFO_V1(ml_model_send);
PG_FUNCTION_INFO_V1(ml_model_from_bytea);
PG_FUNCTION_INFO_V1(ml_model_to_bytea);

/* Refuse a string that is not valid in the database's encoding. */
static void
check_string(const char *string)
{
	if (!pg_verifymbstr(string, (int) strlen(string), true))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("model has text that is not valid in encoding \"%s\"", GetDatabaseEncodingName()),
				 errhint("Pass the model in its text form, which is converted.")));
}

/* Check all strings of a node and of what is below it; documents are at most 64 deep. */
static void
check_strings(const MlNode *node)
{
	MlNodeType	type = ml_node_type(node);

	check_stack_depth();
	if (type == ML_NODE_STRING)
		check_string(ml_node_string(node));
	else if (type == ML_NODE_OBJECT || type == ML_NODE_LIST)
	{
		for (size_t i = 0; i < ml_node_count(node); i++)
		{
			if (type == ML_NODE_OBJECT)
				check_string(ml_node_key(node, i));
			check_strings(ml_node_at(node, i));
		}
	}
}

/* Raise unless a datum's bytes can be read as a model's, which a page gone bad may deny. */
static void
check_bytes(const struct varlena *value)
{
	const char *reason = ml_container_check(MODEL_BYTES(value), model_value_size(value));

	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid value for type %s", "ml_model"),
				 errdetail("The bytes are not those of a model: %s.", reason)));
}

/* A checked datum around bytes from outside. */
static Datum
accept_bytes(const void *bytes, size_t size)
{
	struct varlena *value = model_datum(bytes, size);
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_model check", false);

	check_bytes(value);
	for (int section = ML_SECTION_SIGNATURE; section <= ML_SECTION_LAST; section++)
		check_strings(ml_container_section(MODEL_BYTES(value), (MlSection) section));
	(void) ml_model_open(ctx, MODEL_BYTES(value), MODEL_SIZE(value));
	host_context_delete(ctx);
	return PointerGetDatum(value);
}

/* From the text form. */
Datum
ml_model_in(PG_FUNCTION_ARGS)
{
	const char *json = PG_GETARG_CSTRING(0);
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_model input", false);
	size_t		size;
	void	   *bytes = ml_container_from_json(ctx, json, strlen(json), &size);
	Datum		value = accept_bytes(bytes, size);

	host_context_delete(ctx);
	return value;
}

/* To the text form. */
Datum
ml_model_out(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_P(0);
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_model output", false);
	char	   *json;

	check_bytes(value);
	json = pstrdup(ml_container_to_json(ctx, MODEL_BYTES(value)));
	host_context_delete(ctx);
	PG_RETURN_CSTRING(json);
}

/* From the binary form. */
Datum
ml_model_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			size = message->len - message->cursor;

	return accept_bytes(pq_getmsgbytes(message, size), (size_t) size);
}

/* To the binary form. */
Datum
ml_model_send(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_P(0);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbytes(&message, MODEL_BYTES(value), (int) model_value_size(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* From the bytes of the binary form. */
Datum
ml_model_from_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);

	return accept_bytes(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

/* To the bytes of the binary form. */
Datum
ml_model_to_bytea(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_P(0);
	Size		size = model_value_size(value);
	bytea	   *bytes = palloc(VARHDRSZ + size);

	SET_VARSIZE(bytes, VARHDRSZ + size);
	memcpy(VARDATA(bytes), MODEL_BYTES(value), size);
	PG_RETURN_BYTEA_P(bytes);
}
