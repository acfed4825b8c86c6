"""What a task refers to must be there before anything starts."""

from dataclasses import dataclass

from dispatcher.expand import Expansion, expand
from pipeline.batch import Jobs
from pipeline.csv_file import check_csv
from pipeline.environment import DEST_STORE, SOURCE_STORE, Environment
from pipeline.errors import BadTask, PermanentError
from pipeline.storage import MissingObject, Storage, open_storage
from pipeline.task import Task, is_folder_url


@dataclass(frozen=True, slots=True)
class Stores:
    """The URLs of a task's two buckets."""

    source: str
    dest: str


def resolve_stores(task: Task, environment: Environment) -> Stores:
    """Return where a task's buckets are.

    Raises BadTask for a folder where buckets are wanted, as they are on AWS.
    """
    named = {
        ("AWS_SRC_BUCKET", SOURCE_STORE): task.source_bucket,
        ("AWS_DEST_BUCKET", DEST_STORE): task.dest_bucket,
    }
    errors = [
        f"{name}: expected a bucket: {bucket!r} is a folder, which the embedded cloud alone takes"
        for (name, store), bucket in named.items()
        if is_folder_url(bucket) and environment.store_url(store, bucket) != bucket
    ]
    if errors:
        raise BadTask(errors)
    return Stores(
        environment.store_url(SOURCE_STORE, task.source_bucket),
        environment.store_url(DEST_STORE, task.dest_bucket),
    )


def check_task(run_id: str, task: Task, stores: Stores, jobs: Jobs) -> Expansion:
    """Look up all that a task names, and return its pages.

    Raises BadTask with everything that is not as it should be.
    """
    errors = jobs.missing(task.job_queue, task.job_definition)
    expansion = Expansion((), 0, ())
    source = _reach(stores.source, f"AWS_SRC_BUCKET: {task.source_bucket!r}", errors)
    _reach(stores.dest, f"AWS_DEST_BUCKET: {task.dest_bucket!r}", errors)
    export = f"{stores.dest.rstrip('/')}/{task.layout.prefix}/"
    if export.startswith(f"{stores.source.rstrip('/')}/{task.access_dir}/"):
        errors.append(
            "DEST_PREFIX: expected an export outside ACCESS_DIR: its tiles are images too"
        )
    if source is not None:
        errors += _csv_errors(source, task)
        try:
            expansion = expand(run_id, source.objects(task.access_dir))
        except PermanentError as error:
            errors.append(f"ACCESS_DIR: {error}")
        else:
            errors += expansion.errors
            if not expansion.pages:
                errors.append(
                    f"ACCESS_DIR: no images found below {task.access_dir!r}"
                    f" ({expansion.other_files} other files)"
                )
    if errors:
        raise BadTask(errors)
    return expansion


def _reach(url: str, name: str, errors: list[str]) -> Storage | None:
    try:
        storage = open_storage(url)
        storage.probe()
    except MissingObject as error:
        errors.append(f"{name}: expected a bucket that exists: {error}")
        return None
    except PermanentError as error:
        errors.append(f"{name}: {error}")
        return None
    return storage


def _csv_errors(source: Storage, task: Task) -> list[str]:
    try:
        check_csv(source.read(task.csv_key))
    except MissingObject:
        return [f"CSV_PATH, CSV_NAME: expected a file at {task.csv_key!r}"]
    except PermanentError as error:  # a BadCsv, or a file that may not be read
        return [f"CSV_NAME: {task.csv_name!r}: {error}"]
    return []
