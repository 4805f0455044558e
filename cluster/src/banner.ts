/** What a person sees who has just started a cluster: that it serves, and three commands that work when pasted. */
export function banner(
  { url, adminUrl }: { readonly url: string; readonly adminUrl: string },
  dataDir: string,
): string {
  const key = `${url}/v1/kv/demo/hello`;
  return `
  Circlet is serving at ${url}   (3 storage pods, 1 coordinator, data in ${dataDir})

    curl -i -X PUT ${key} -H 'Content-Type: text/plain' -d 'hello, world'
    curl -i ${key}
    curl -s ${url}/v1/cluster/nodes

  Membership changes ("circlet cluster --help") are asked for at ${adminUrl}.
  This is a development cluster: no credentials, one process, loopback only.
  Ctrl-C stops it; the data stays.
`;
}
