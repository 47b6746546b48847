//! Roles, what each permits, and the principal on whose behalf a request is answered.

use std::sync::Arc;

/// The purpose of a token. A role permits no more than its work needs (clause 5.4 of the policy).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Reads audience reports, with exact figures.
    Analyst,
    /// Reads published figures alone.
    Viewer,
    /// Reads diagnostics reports, metrics and the details of readiness, and of the audience published figures.
    Sre,
    /// Reads the audit: who was given access, when keys were turned. Carries out requests of visitors.
    Privacy,
    /// Sends events from a server: a back end, an app's gateway. Reads nothing.
    Sender,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Analyst, Self::Viewer, Self::Sre, Self::Privacy, Self::Sender];

    /// The name on the command line and in the token file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Analyst => "analyst",
            Self::Viewer => "viewer",
            Self::Sre => "sre",
            Self::Privacy => "privacy",
            Self::Sender => "sender",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    const fn may(self, permission: Permission) -> bool {
        matches!(
            (self, permission),
            (Self::Analyst, Permission::ReadAudience)
                | (Self::Viewer, Permission::ReadPublished)
                | (
                    Self::Sre,
                    Permission::ReadDiagnostics | Permission::ReadHealth | Permission::ReadPublished
                )
                | (Self::Privacy, Permission::ReadAudit | Permission::HandleSubjects)
                | (Self::Sender, Permission::Send)
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Reports of purpose audience, with exact figures.
    ReadAudience,
    /// Reports of purpose audience, with published figures.
    ReadPublished,
    /// Reports of purpose diagnostics.
    ReadDiagnostics,
    /// Metrics, and why the collector is not ready.
    ReadHealth,
    ReadAudit,
    /// Find, block, erase and export what is linked to a visitor.
    HandleSubjects,
    /// Send events on behalf of visitors.
    Send,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TokenHolder {
    /// The token's name.
    pub name: String,
    pub role: Role,
    /// The only sites that this holder may see; empty means all.
    pub sites: Vec<String>,
}

/// A visitor who came by a share link.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareVisitor {
    /// The link's name after `share link`, for the audit.
    pub name: String,
    /// The one site of the link.
    pub sites: [String; 1],
}

/// The sender of a request, as far as it is known.
#[derive(Debug, Clone)]
pub enum Principal {
    /// A person or program on this machine, where no token is required. It may read everything.
    Local,
    Token(Arc<TokenHolder>),
    /// Reads published figures of one site, and nothing else.
    Share(Arc<ShareVisitor>),
    /// A request without a token to a path that is open to all. It may read nothing.
    Anonymous,
}

impl Principal {
    /// Its name in the audit.
    pub fn name(&self) -> &str {
        match self {
            Self::Local => "operator on this machine",
            Self::Token(holder) => &holder.name,
            Self::Share(visitor) => &visitor.name,
            Self::Anonymous => "nobody",
        }
    }

    pub fn may(&self, permission: Permission) -> bool {
        match self {
            Self::Local => true,
            Self::Token(holder) => holder.role.may(permission),
            Self::Share(_) => Role::Viewer.may(permission),
            Self::Anonymous => false,
        }
    }

    /// The only sites that this principal may see; `None` means all.
    pub fn restricted_to(&self) -> Option<&[String]> {
        match self {
            Self::Token(holder) if !holder.sites.is_empty() => Some(&holder.sites),
            Self::Share(visitor) => Some(&visitor.sites),
            _ => None,
        }
    }

    pub fn may_see(&self, site: &str) -> bool {
        self.restricted_to().is_none_or(|sites| sites.iter().any(|allowed| allowed == site))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_may_do_what_another_is_for() {
        for role in Role::ALL {
            let all = [
                Permission::ReadAudience,
                Permission::ReadPublished,
                Permission::ReadDiagnostics,
                Permission::ReadHealth,
                Permission::ReadAudit,
                Permission::HandleSubjects,
                Permission::Send,
            ];
            let permitted: Vec<_> = all.into_iter().filter(|permission| role.may(*permission)).collect();
            let expected: &[Permission] = match role {
                Role::Analyst => &[Permission::ReadAudience],
                Role::Viewer => &[Permission::ReadPublished],
                Role::Sre => {
                    &[Permission::ReadPublished, Permission::ReadDiagnostics, Permission::ReadHealth]
                }
                Role::Privacy => &[Permission::ReadAudit, Permission::HandleSubjects],
                Role::Sender => &[Permission::Send],
            };
            assert_eq!(permitted, expected);
            assert!(all.iter().all(|permission| !Principal::Anonymous.may(*permission)));
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
    }
}
