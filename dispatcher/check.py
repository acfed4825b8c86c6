"""What a task refers to must be there before anything starts."""

from dataclasses import dataclass

from dispatcher.expand import Expansion, expand
from dispatcher.resources import RunResources
from pipeline.batch import Jobs
from pipeline.csv_file import check_csv
from pipeline.errors import BadTask, PermanentError
from pipeline.storage import MissingObject, Storage, open_storage
from pipeline.task import Task, is_folder_url

BUCKET_STORE = "s3://{bucket}"


@dataclass(frozen=True, slots=True)
class Stores:
    """The URLs of a task's two buckets."""

    source: str
    dest: str


@dataclass(frozen=True, slots=True)
class StoreForms:
    """How the URL of a store is made of its bucket's name, for which `{bucket}` stands."""

    source: str = BUCKET_STORE
    dest: str = BUCKET_STORE


ON_BUCKETS = StoreForms()


def resolve_stores(task: Task, forms: StoreForms) -> Stores:
    """Return where a task's buckets are.

    Raises BadTask for a folder where buckets are wanted, as they are on AWS.
    """
    stores = Stores(
        forms.source.replace("{bucket}", task.source_bucket),
        forms.dest.replace("{bucket}", task.dest_bucket),
    )
    named = {
        "AWS_SRC_BUCKET": (task.source_bucket, stores.source),
        "AWS_DEST_BUCKET": (task.dest_bucket, stores.dest),
    }
    errors = [
        f"{name}: expected a bucket: {bucket!r} is a folder, which the embedded cloud alone takes"
        for name, (bucket, url) in named.items()
        if is_folder_url(bucket) and url != bucket
    ]
    if errors:
        raise BadTask(errors)
    return stores


def check_task(
    run_id: str, task: Task, stores: Stores, resources: RunResources, jobs: Jobs
) -> Expansion:
    """Look up all that a task names, and return its pages.

    Raises BadTask with everything that is not as it should be.
    """
    errors = list(resources.errors) or jobs.missing(resources.queue, resources.definitions)
    expansion = Expansion(run_id, {}, 0)
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
            if not expansion and not expansion.errors:
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
