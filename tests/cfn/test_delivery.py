"""What readers and viewers are promised by the exports' own template."""

import re
from typing import Any

import pytest

from tests.cfn.template import DELIVERY, load_document

NAME_CHARACTERS = 64
"""Of an origin access control, at most."""
THIS_DISTRIBUTION = {
    "StringEquals": {
        "AWS:SourceArn": {
            "Fn::Sub": "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}"
            ":distribution/${Distribution}"
        }
    }
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return load_document(DELIVERY, long=True)


@pytest.fixture(scope="module")
def distribution(document: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = properties(document, "Distribution")["DistributionConfig"]
    return made


def properties(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["Resources"][name]["Properties"]
    return found


def given(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    policy = properties(document, "ExportsPolicy")["PolicyDocument"]["Statement"]
    return {one["Action"]: one for one in policy if one["Effect"] == "Allow"}


def test_only_this_distribution_reads_the_bucket_and_nobody_writes(
    document: dict[str, Any],
) -> None:
    assert given(document).keys() == {"s3:GetObject", "s3:ListBucket"}
    for statement in given(document).values():
        assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
        assert statement["Condition"] == THIS_DISTRIBUTION


def test_what_is_missing_is_a_404_and_the_list_is_shown_to_nobody(
    document: dict[str, Any], distribution: dict[str, Any]
) -> None:
    assert given(document)["s3:ListBucket"]["Resource"] == {"Fn::GetAtt": "Exports.Arn"}
    # Without these a reader could ask for the bucket itself, and for a list by the query.
    assert distribution["DefaultRootObject"] == "index.html"
    caching = properties(document, "Caching")["CachePolicyConfig"]
    forwarded = caching["ParametersInCacheKeyAndForwardedToOrigin"]
    assert forwarded["QueryStringsConfig"] == {"QueryStringBehavior": "none"}
    assert "OriginRequestPolicyId" not in distribution["DefaultCacheBehavior"]
    for answer in distribution["CustomErrorResponses"]:
        assert "ResponseCode" not in answer


def test_requests_are_signed_by_an_access_control_whose_name_is_short_enough(
    document: dict[str, Any], distribution: dict[str, Any]
) -> None:
    (origin,) = distribution["Origins"]
    assert origin["OriginAccessControlId"] == {"Fn::GetAtt": "Access.Id"}
    access = properties(document, "Access")["OriginAccessControlConfig"]
    assert (access["SigningBehavior"], access["SigningProtocol"]) == ("always", "sigv4")
    assert access["Name"] == {"Ref": "BucketName"}
    pattern = document["Parameters"]["BucketName"]["AllowedPattern"]
    assert re.fullmatch(pattern, "a" * (NAME_CHARACTERS - 1))
    assert not re.fullmatch(pattern, "a" * (NAME_CHARACTERS + 1))


def test_two_deliveries_of_an_account_do_not_collide(document: dict[str, Any]) -> None:
    for policy in (
        properties(document, "Headers")["ResponseHeadersPolicyConfig"],
        properties(document, "Caching")["CachePolicyConfig"],
    ):
        assert "${AWS::StackName}" in policy["Name"]["Fn::Sub"]


def test_any_site_may_show_the_exports(
    document: dict[str, Any], distribution: dict[str, Any]
) -> None:
    behavior = distribution["DefaultCacheBehavior"]
    assert behavior["ResponseHeadersPolicyId"] == {"Ref": "Headers"}
    cors = properties(document, "Headers")["ResponseHeadersPolicyConfig"]["CorsConfig"]
    assert cors["AccessControlAllowOrigins"] == {"Items": ["*"]}
    assert cors["AccessControlAllowCredentials"] is False
    assert {"GET", "HEAD"} <= set(cors["AccessControlAllowMethods"]["Items"])
    assert set(cors["AccessControlAllowMethods"]["Items"]) <= set(behavior["AllowedMethods"])
    assert set(behavior["AllowedMethods"]) <= {"GET", "HEAD", "OPTIONS"}


def test_objects_say_themselves_how_long_they_are_kept(
    document: dict[str, Any], distribution: dict[str, Any]
) -> None:
    assert distribution["DefaultCacheBehavior"]["CachePolicyId"] == {"Ref": "Caching"}
    caching = properties(document, "Caching")["CachePolicyConfig"]
    assert caching["MinTTL"] == 0
    headers = properties(document, "Headers")["ResponseHeadersPolicyConfig"]
    custom = headers.get("CustomHeadersConfig", {}).get("Items", [])
    assert "cache-control" not in {item["Header"].lower() for item in custom}


def test_connections_are_new_quick_and_private(distribution: dict[str, Any]) -> None:
    assert distribution["HttpVersion"] == "http2and3"
    assert distribution["IPV6Enabled"] is True
    assert distribution["DefaultCacheBehavior"]["Compress"] is True
    assert distribution["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "redirect-to-https"
    (_, own, _) = distribution["ViewerCertificate"]["Fn::If"]
    assert own["MinimumProtocolVersion"] == "TLSv1.2_2021"


def test_a_domain_comes_with_its_certificate_or_not_at_all(document: dict[str, Any]) -> None:
    pairs = set()
    for rule in document["Rules"].values():
        (assertion,) = rule["Assertions"]
        pairs.add((given_name(rule["RuleCondition"]), given_name(assertion["Assert"])))
    assert pairs == {("DomainName", "CertificateArn"), ("CertificateArn", "DomainName")}


def given_name(test: dict[str, Any]) -> str:
    """Return which parameter must not be empty."""
    (equals,) = test["Fn::Not"]
    parameter, empty = equals["Fn::Equals"]
    assert empty == ""
    name: str = parameter["Ref"]
    return name


def test_published_links_outlive_the_stack(document: dict[str, Any]) -> None:
    bucket = document["Resources"]["Exports"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    (rule,) = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    # Uploads that were cut off go; no rule may let what is published go.
    assert not [name for name in rule if "Expiration" in name]


def test_what_tasks_are_given_is_an_address_without_a_slash_at_its_end(
    document: dict[str, Any],
) -> None:
    assert document["Outputs"].keys() == {"Bucket", "DestUrl", "Distribution"}
    condition, *addresses = document["Outputs"]["DestUrl"]["Value"]["Fn::If"]
    assert condition == "HasDomain"
    assert [address["Fn::Sub"] for address in addresses] == [
        "https://${DomainName}",
        "https://${Distribution.DomainName}",
    ]


def test_what_checkov_is_not_to_ask_has_a_reason(document: dict[str, Any]) -> None:
    skipped = [
        skip
        for resource in document["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert skipped
    for skip in skipped:
        assert skip["id"].startswith("CKV")
        assert len(skip["comment"].split()) > 5
