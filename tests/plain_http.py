"""URLs of hosts that plain http may go to, and of such as only look like them."""

NEAR = [
    *("http://127.0.0.1", "http://127.0.0.1:8200/", "http://127.255.255.254", "http://[::1]:8200"),
    *("http://[::ffff:127.0.0.1]", "http://localhost:8200", "HTTP://LOCALHOST", "http://vault.localhost"),
    *("http://a.b.c.localhost:1", "http://vault.vault.svc", "http://Vault.Vault.SVC:8200/below"),
    *("http://vault.vault.svc.cluster.local", "http://vault-0.vault-1.svc.cluster.local:8200"),
]
FAR = [
    *("http://vault.example.com", "http://10.0.0.1:8200", "http://[2001:db8::1]", "http://0.0.0.0", "http://[::]"),
    *("http://128.0.0.1", "http://127.0.0.1.nip.io", "http://2130706433", "http://127.1", "http://[::ffff:10.0.0.1]"),
    *("http://localhost.example.com", "http://mylocalhost", "http://localhost.", "http://127.0.0.1."),
    *("http://vault", "http://vault.vault", "http://svc", "http://evil.svc", "http://a.b.c.svc"),
    *("http://a.b.c.svc.cluster.local", "http://evil.svc.cluster.local", "http://svc.cluster.local"),
    *("http://vault.vault.svc.", "http://vault.vault.svc.cluster.local.", "http://vault.vault.svc.corp.example"),
    *("http://vault.vault.svc.local", "http://vault.vault.svcs", "http://vault.vault.xsvc", "http://a_b.c.svc"),
    # One character short of what is near: anybody can have such a name.
    *("http://vaultsvc", "http://vault.examplesvc", "http://vaultsvc.cluster.local", "http://vault.svc.cluster"),
    *("http://vault.svc.cluster.locals", "http://localhosts", "http://126.255.255.255", "http://[::2]"),
    *("http://vault%2eexample.com", "http://vault.vault.svc.cluster.local.example.com"),
]
