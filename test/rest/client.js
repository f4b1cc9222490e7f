// The client library @supabase/postgrest-js against a server: API and TOKEN come from the environment.
const { PostgrestClient } = require('@supabase/postgrest-js');
const client = new PostgrestClient(process.env.API, { headers: { Authorization: `Bearer ${process.env.TOKEN}` } });

async function main()
{
	const models = await client.from('models').select('name').order('name');
	console.log('models', models.data.map(model => model.name).join(' '));
	const one = await client.rpc('predict', { model: 'line', input: { x: 10 } });
	console.log('predict', Math.round(one.data.prediction * 1e6) / 1e6);
	const rows = [1, 2].map(x => ({ x, id: `row ${x}` }));
	const batch = await client.rpc('predict_batch', { model: 'line', rows, key: 'id' }).gt('prediction', 4);
	console.log('batch', batch.data.map(row => `${row.key} ${Math.round(row.prediction)}`).join(' '));
	const published = await client.rpc('level', { x: 1 }).select('label').single();
	console.log('published', published.data.label);
	const keyed = await client.rpc('predict_by_key', { model: 'level', key: 7 });
	console.log('key', keyed.data.label);
	const wrong = await client.rpc('predict', { model: 'lime', input: { x: 10 } });
	console.log('error', wrong.status, wrong.error.code, wrong.error.hint);
}

main().catch(error => { console.error(error); process.exit(1); });
