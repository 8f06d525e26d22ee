// dotnet add package Microsoft.IdentityModel.JsonWebTokens
using System;
using System.Collections.Generic;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

Console.WriteLine(ReaderToken("alice", "session-1"));

// A token for somebody whom you have logged in: user and session are yours, never taken from the request.
static string ReaderToken(string user, string session)
{
    var secret = Encoding.UTF8.GetBytes(Environment.GetEnvironmentVariable("PUSHSTREAM_AUTH_SECRET")!);
    var now = DateTime.UtcNow;
    return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
    {
        Issuer = "pushstream",
        Audience = "pushstream",
        IssuedAt = now,
        NotBefore = now,
        Expires = now.AddMinutes(15),
        Claims = new Dictionary<string, object>
        {
            ["sub"] = user,
            ["sid"] = session,
            ["jti"] = Guid.NewGuid().ToString(),
            ["pushstream"] = new Dictionary<string, object> { ["subscribe"] = new[] { "topic:news" } },
        },
        SigningCredentials = new SigningCredentials(new SymmetricSecurityKey(secret), SecurityAlgorithms.HmacSha256),
    });
}
