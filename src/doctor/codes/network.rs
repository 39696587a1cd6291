//! Codes of the way to the server.

use crate::doctor::code::table;

table! {
    PROXY_NONE: "proxy", "no proxy is on the way",
        "No variable names a proxy, or the server is on this machine, which is never reached through one.",
        "Where the network lets nothing out but through a proxy, set HTTPS_PROXY=http://HOST:PORT in the environment of the host.";
    PROXY_USED: "proxy", "a proxy makes the connection to the server",
        "A variable of the environment, or the system's settings, names the proxy; the sentence says which.",
        "If the proxy is not meant for this server, put the server's name into NO_PROXY.";
    PROXY_BYPASSED: "proxy", "a proxy is set, and NO_PROXY excludes this server from it",
        "NO_PROXY names the server's host, a domain above it, or a range with its address.",
        "If the server can be reached through the proxy only, take it out of NO_PROXY.";
    PROXY_UNREADABLE: "proxy", "a variable that should name a proxy names none",
        "The value is no address of a kind that is known: http, https, socks4, socks4a, socks5 or socks5h, then host and port.",
        "Write it as http://HOST:PORT, or unset it.";
    PROXY_FAILED: "proxy", "the proxy on the way has failed",
        "The proxy cannot be reached, wants a name and a password (407), or opens no connection to the server.",
        "Check the variable that the sentence names; NO_PROXY names hosts that are reached without a proxy.";
    NAME_RESOLVED: "name resolution", "the server's name has addresses",
        "The system's resolver has answered with at least one address.",
        "Nothing is to be done.";
    NAME_IS_ADDRESS: "name resolution", "the address names an IP address and no name",
        "The address was typed so.",
        "Nothing is to be done; certificates are mostly for names, so TLS may need the name.";
    NAME_NOT_FOUND: "name resolution", "the server's name has no address",
        "The name is misspelt, is known inside another network only (VPN), or was taken down.",
        "Check the spelling of the address, and that you are in the network (VPN) that knows it: `nslookup HOST` asks the same resolver.";
    NAME_SERVER_FAILED: "name resolution", "no name server has answered",
        "The machine is offline, in a container without DNS, or its VPN has changed the name servers.",
        "Check the network; in a container check /etc/resolv.conf. With a proxy that resolves names, set HTTPS_PROXY.";
    NAME_NO_IPV4: "name resolution", "the name has IPv6 addresses only, and --ipv4 is given",
        "--ipv4 or MCPIPE_IPV4 forbids the only addresses that there are.",
        "Leave --ipv4 out.";
    ADDRESS_UNUSABLE: "name resolution", "the name leads to an address where no server can be",
        "Filters of names (Pi-hole, AdGuard, a company's) answer 0.0.0.0 or a reserved address for a name that they block.",
        "Allow the name in the filter, or use another name server.";
    ADDRESS_MIXED: "name resolution", "the name leads to public and to private addresses at once",
        "Split-horizon DNS is set up wrongly, or the name is used to reach into private networks (DNS rebinding). A sign-in goes \
         to no private address that a public name leads to.",
        "Ask the owner of the name. --allow-private lets the metadata of the server lead to private addresses.";
    TCP_CONNECTED: "connection", "the server takes connections",
        "A TCP connection was made and closed again.",
        "Nothing is to be done.";
    TCP_REFUSED: "connection", "nothing listens at the server's port",
        "The server is not running, listens on another port or on another address (127.0.0.1 instead of ::1), or a firewall refuses.",
        "Check the port, and that the server runs: `curl -v ADDRESS` meets the same.";
    TCP_TIMED_OUT: "connection", "no connection is made in time",
        "A firewall drops the packets, the server is down, or the network lets nothing out but through a proxy.",
        "Ask the owner of the network; set HTTPS_PROXY where a proxy is needed. If only IPv6 fails: --ipv4.";
    TCP_UNREACHABLE: "connection", "the system has no way to the address",
        "The machine has no network, or no address of that family; a VPN may be down.",
        "Check the network and the VPN.";
    TLS_NOT_USED: "TLS", "the address says http, so nothing is encrypted",
        "The address was typed so.",
        "Between programs of one machine that is usual. Otherwise begin the address with https://.";
    TLS_TRUSTED: "TLS", "the certificate is trusted",
        "An authority that this machine or --ca trusts has signed the certificate, for this name, and it is valid now.",
        "Nothing is to be done.";
    TLS_EXPIRES_SOON: "TLS", "the certificate ends soon",
        "Certificates are renewed weeks before their end, or in the last third of their time if they live for days. This one was not.",
        "Tell the operator of the server.";
    TLS_EXPIRED: "TLS", "the certificate has expired",
        "The operator has not renewed it, the server was not restarted after the renewal, or this machine's clock is wrong.",
        "Check this machine's clock; otherwise the operator of the server has to renew the certificate.";
    TLS_NOT_YET_VALID: "TLS", "the certificate is not valid yet",
        "This machine's clock is behind, or the certificate was made with a wrong clock.",
        "Set this machine's clock.";
    TLS_WRONG_NAME: "TLS", "the certificate is for another name",
        "Another server answers at this address (a load balancer's default, a parked name), or the address names an IP address and \
         the certificate a name.",
        "Check the address: use the name that the certificate is for.";
    TLS_SELF_SIGNED: "TLS", "the certificate is self-signed",
        "The server was set up with a certificate of its own, as development servers are.",
        "If the certificate is yours: --ca FILE trusts it. Otherwise do not go on.";
    TLS_INCOMPLETE_CHAIN: "TLS", "the server sends no intermediate certificate",
        "The operator has installed the server's certificate without those that vouch for it. Browsers often have them from other \
         sites, so that they see no fault.",
        "The operator has to install the full chain (fullchain.pem). Until then --ca FILE with the intermediate one helps.";
    TLS_UNKNOWN_ISSUER: "TLS", "no authority that this machine trusts has signed the certificate",
        "The authority is a company's own, or this machine's list of authorities is old or empty.",
        "--ca FILE or NODE_EXTRA_CA_CERTS names the authority's certificate; the package ca-certificates has the public ones.";
    TLS_INTERCEPTED: "TLS", "a program between here and the server shows its own certificate",
        "A company's gateway or a virus scanner takes TLS apart to read it. The issuer of the certificate names the product.",
        "Get the product's root certificate (PEM) from your company and name it with --ca FILE or NODE_EXTRA_CA_CERTS.";
    TLS_WEAK: "TLS", "the certificate is made in a way that is not safe",
        "It is signed with SHA-1, has a key of less than 2048 bits, or is of X.509 version 1.",
        "The operator of the server has to install another one.";
    TLS_CA_AS_SERVER: "TLS", "the certificate is an authority's own, which no server may show",
        "A self-signed certificate was made with CA:TRUE, which is the default of `openssl req -x509`.",
        "Make one for the server: add -addext basicConstraints=critical,CA:FALSE.";
    TLS_OLD_VERSION: "TLS", "the server speaks neither TLS 1.2 nor TLS 1.3",
        "Its software or its settings are old.",
        "The operator has to switch TLS 1.2 or 1.3 on; nothing older is safe.";
    TLS_NOT_SPOKEN: "TLS", "something answers at that port that does not speak TLS",
        "The address says https, and the server speaks plain http there, as development servers do.",
        "Check the port. For a server without TLS begin the address with http:// (on this machine, or with --allow-http).";
    TLS_CLIENT_CERT_ASKED: "TLS", "the server asks for a client certificate",
        "The server knows its clients by certificates (mutual TLS); some ask and do without.",
        "If you have one: --client-cert FILE, and --client-cert-key FILE for its key.";
    TLS_CLIENT_CERT_REFUSED: "TLS", "the server wants a client certificate, or another one",
        "None was shown, or one of an authority that the server does not know, or one that has expired.",
        "--client-cert FILE and --client-cert-key FILE, with a certificate of an authority that the server trusts.";
    TLS_FAILED: "TLS", "the TLS handshake does not come to its end",
        "The server or a device between breaks it off: a load balancer without a server behind it, a firewall that filters by name, \
         or cipher suites that are too old.",
        "Try from another network; if it fails there too, the operator of the server has to look at its log.";
}
