//! `vds pool`.

use serde_json::Value;
use vds_api::Pool;

use crate::command::PoolVerb;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Fields, Table, exact_size, size};

/// A verb of `vds pool`.
pub(super) async fn pool(context: &Context, verb: PoolVerb) -> Result<(), Failure> {
    match verb {
        PoolVerb::List => {
            let pools = context.client.pools().await?;
            context.show_list(pools, print_pools)
        }
        PoolVerb::Show { pool } => {
            let pool = context.client.pool(&pool).await?;
            context.show(&pool, print_pool)
        }
    }
}

fn print_pools(pools: &[Pool]) -> Result<(), Failure> {
    let mut table =
        Table::new(&["NAME", "TYPE", "STATUS", "HEALTH", "DRIVES", "LUNS", "SIZE", "FREE"]);
    for pool in pools {
        table.row([
            pool.name.clone(),
            pool.pool_type.clone(),
            pool.status.clone(),
            pool.health.clone(),
            pool.drives.len().to_string(),
            pool.luns.as_ref().map(|luns| luns.len().to_string()).unwrap_or_default(),
            size(pool.managed_bytes),
            size(pool.free_bytes),
        ]);
    }
    table.print("no pools: make an array with `vds subsystem create`")
}

fn print_pool(pool: &Pool) -> Result<(), Failure> {
    let mut fields = Fields::default();
    fields.add("name", &*pool.name);
    fields.add("id", &*pool.id);
    fields.add("description", &*pool.description);
    fields.add("type", &*pool.pool_type);
    fields.add("status", &*pool.status);
    fields.add("health", &*pool.health);
    fields.add("size", exact_size(pool.managed_bytes));
    fields.add("free", exact_size(pool.free_bytes));
    fields.add("consumed", exact_size(pool.consumed_bytes));
    fields.add_all(
        "drives",
        pool.drives.iter().map(|drive| {
            let use_of = if drive.is_used { "" } else { ", not in use" };
            format!("{}: {}{use_of}", drive.drive_name, size(drive.size_bytes))
        }),
    );
    fields.add_all("LUNs", pool.luns.iter().flatten());
    fields.add_all("attributes", attributes(pool));
    fields.print()
}

/// What its provider tells beside, each as the API names it.
fn attributes(pool: &Pool) -> Vec<String> {
    match serde_json::to_value(&pool.attributes) {
        Ok(Value::Object(told)) => {
            told.iter().map(|(name, value)| format!("{name}: {value}")).collect()
        }
        _ => Vec::new(),
    }
}
